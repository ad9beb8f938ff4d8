"""A pool of the test's database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ..looking import Look
from ..probing import manager as manager
from ..probing import port as port
from .agents import Pool


@pytest.fixture
def look(connection: psycopg.Connection[Any]) -> Look:
    """Looks at the test's database."""
    return Look(connection)


@pytest.fixture
def pool(database_url: str, look: Look, tmp_path: Path) -> Iterator[Pool]:
    """A pool, and its agents, which are ended with their workers afterwards."""
    pool = Pool(database_url, look, tmp_path)
    yield pool
    pool.end()
