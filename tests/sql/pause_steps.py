"""Pausing and resuming, as tests do it again and again."""

from typing import Any
from uuid import UUID

from .conftest import Sql


def pause(sql: Sql, kind: str = "queue", name: str | None = "default", /, **options: Any) -> bool:
    """pause() with named arguments."""
    named = "".join(f", {option} => %s" for option in options)
    return bool(sql.value(f"select pause(%s, %s{named})", kind, name, *options.values()))


def resume(sql: Sql, kind: str = "queue", name: str | None = "default") -> bool:
    return bool(sql.value("select resume(%s, %s)", kind, name))


def taken(sql: Sql, worker: UUID, want: int = 10, queues: tuple[str, ...] = ("default",), **options: Any) -> list[int]:
    """The ids that one claim takes."""
    return [row["id"] for row in sql.claim(worker, want, queues, **options)[1]]


def time_passes(sql: Sql, time: str) -> None:
    """Time travel: every pause began, and ends, so much earlier."""
    sql.rows("update pause set paused_at = paused_at - %s::interval, until = until - %s::interval", time, time)
