"""The database beside a supervisor."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ..sql.conftest import Sql


@pytest.fixture
def sql(connect: Callable[..., psycopg.Connection[Any]]) -> Sql:
    """A look at the database, and its functions."""
    return Sql(connect())
