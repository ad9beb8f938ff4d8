"""A connection in a transaction, as a test of an application has it."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.looking import Look


@pytest.fixture
def theirs(connect: Callable[..., psycopg.Connection[Any]]) -> Iterator[psycopg.Connection[Any]]:
    """The test's own transaction, which is rolled back."""
    connection = connect(autocommit=False)
    yield connection
    connection.rollback()


@pytest.fixture
def look(connect: Callable[..., psycopg.Connection[Any]]) -> Look:
    """What is committed."""
    return Look(connect())
