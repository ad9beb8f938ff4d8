"""The API before the test's database."""

from collections.abc import Iterator

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.api import create_app
from tests.api.serving import served


@pytest.fixture
def base_url(app: PgQueue) -> Iterator[str]:
    """The URL of the API of `app`; tasks that a test registers before its first request belong to it."""
    with served(create_app(app)) as url:
        yield url


@pytest.fixture
def api(base_url: str) -> Iterator[httpx.Client]:
    """A client of the API: paths are below /api/v1."""
    with httpx.Client(base_url=f"{base_url}/api/v1", timeout=20) as client:
        yield client
