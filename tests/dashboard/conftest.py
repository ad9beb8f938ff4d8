"""The dashboard before the test's database, as `pgqueue serve` serves it, and a real browser."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect

from pgqueue import PgQueue
from pgqueue.api.service import Service
from pgqueue.dashboard.build import create_server_app
from tests.api.conftest import look, manual_worker, sql  # noqa: F401  # fixtures
from tests.api.quick_routes import quick_routes
from tests.api.serving import served
from tests.dashboard import chromium
from tests.dashboard.seeding import ATTACKER, Seeded, seeded
from tests.postgres import Copies

expect.set_options(timeout=20_000)  # ms; machines that run tests are busy


@pytest.fixture(autouse=True, scope="session")
def _quick_routes() -> Iterator[None]:
    with quick_routes():
        yield


@pytest.fixture
def server(app: PgQueue) -> FastAPI:
    """The dashboard of `app`, as `pgqueue serve` has it."""
    return create_server_app(app)


@pytest.fixture
def service(server: FastAPI) -> Service:
    """What the requests of the server share."""
    found: Service = server.state.pgqueue
    return found


@pytest.fixture
def url(server: FastAPI) -> Iterator[str]:
    """The URL of the dashboard of `app`; tasks that a test registers before its first request belong to it."""
    with served(server) as found:
        yield found


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    """A client without scripts: paths are below the dashboard."""
    # Nothing here has TLS, and to read all certificates takes longer than most requests.
    with httpx.Client(base_url=f"{url}/", timeout=20, verify=False) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of a file, none of which may be async."""
    with chromium.browser() as started:
        yield started


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A tab of a fresh profile; what it complains of fails the test."""
    with chromium.context(browser, url) as profile:
        opened, complaints = profile.new_page(), chromium.Complaints()
        complaints.hear(opened)
        yield opened
    assert complaints == []


@pytest.fixture(scope="module")
def install(copies: Copies) -> Iterator[tuple[str, Seeded]]:
    """The URL of a dashboard whose users have written what an attacker would write, and what is there; to read only."""
    with seeded(copies, ATTACKER) as found:
        yield found
