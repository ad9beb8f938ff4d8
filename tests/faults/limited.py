"""Jobs with limits for worker processes, and the measures of when they started."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from tests.looking import Look

Connect = Callable[..., psycopg.Connection[Any]]
CLAIMED: LiteralString = "select extract(epoch from claimed_at)::float8 as at from jobs where claimed_at is not null"


def enqueue_limited(look: Look, task: str, count: int, *limits: str, **args: Any) -> list[int]:
    """Enqueue calls of a task, with these limits."""
    query: LiteralString = "select enqueue_many(%s, jsonb_agg(%s::jsonb), limits => %s) from generate_series(1, %s)"
    ids: list[int] = look.value(query, task, json.dumps(args), list(limits), count)
    return ids


def most_above(times: list[float], rate: float, burst: float, slack: float = 0.0) -> float:
    """By how much the starts of the worst window exceed burst + rate * (T + slack); below 0 when none does.

    Of all pairs i <= j: j - i + 1 starts in t[j] - t[i] seconds.
    """
    worst, lowest = float("-inf"), float("inf")
    for place, at in enumerate(sorted(times)):
        ahead = place - rate * at
        lowest = min(lowest, ahead)
        worst = max(worst, ahead - lowest + 1)
    return worst - burst - rate * slack


def most_at_once(intervals: list[tuple[datetime, datetime]]) -> int:
    """How many intervals share a moment; one that ends as another begins does not meet it."""
    steps = sorted([(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


@contextmanager
def watching(connect: Connect, query: LiteralString) -> Iterator[list[int]]:
    """The largest answer to a query that is asked again and again."""
    connection, stop, most = connect(), threading.Event(), [0]

    def watch() -> None:
        while not stop.is_set():
            row = connection.execute(query).fetchone()
            assert row is not None
            most[0] = max(most[0], row[0])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        stop.set()
        watcher.join()
