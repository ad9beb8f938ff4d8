"""What explain says of a job, as tests look at it again and again."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from .conftest import Sql

REGISTER = "select register_worker(%s, 'w1', 'host', 7, '0', %s, 10, '30 s', tasks => %s)"


def causes(sql: Sql, id: int) -> list[str]:
    """The words of all causes, the decisive one first."""
    return [row["cause"] for row in sql.rows("select * from explain(%s)", id)]


def cause(sql: Sql, id: int, word: str | None = None) -> dict[str, Any]:
    """The decisive cause, or the one of this word; with the time that is left until its end."""
    rows = sql.rows("select *, until - clock_timestamp() as left from explain(%s)", id)
    found = [row for row in rows if word in (None, row["cause"])]
    assert found, rows
    return found[0]


def registered(sql: Sql, *tasks: str, queues: tuple[str, ...] = ("default",)) -> UUID:
    """A worker that knows these tasks."""
    id = uuid4()
    sql.value(REGISTER, id, list(queues), list(tasks))
    return id


def seconds(time: timedelta | None) -> Any:
    assert time is not None
    return pytest.approx(time.total_seconds(), abs=2)


def fail(sql: Sql, token: UUID, id: int, **outcome: Any) -> None:
    error = {"type": "shop.Broken", "message": "no\n way", "traceback": "…"}
    assert sql.finish(token, {"id": id, "state": "failed", "elapsed": 0.5, "error": error, **outcome})
