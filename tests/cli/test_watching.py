"""How pgqueue top looks at an install: seldom enough, and through errors."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from pgqueue.control.metrics import metrics_of
from pgqueue.database import Call
from pgqueue.errors import NotMigrated
from pgqueue.insight import snapshot as snapshots
from pgqueue.insight import watcher as watchers
from pgqueue.insight.snapshot import Observer
from pgqueue.insight.watcher import Watcher

from ..waiting import PATIENCE, until
from .snapshots import metrics, snapshot


class Answers:
    """Answers calls, and keeps their statements and deadlines."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float | None]] = []

    def run(self, call: Call[Any]) -> Any:
        kind = next(word for word in (".metrics(", ".queues", ".worker_status", ".pauses", ".findings") if word in call.statement)
        self.asked.append((kind, call.within))
        return metrics() if kind == ".metrics(" else []


def test_figures_of_closed_minutes_are_read_once_in_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, clock = Answers(), [100.0]
    monkeypatch.setattr(snapshots, "monotonic", lambda: clock[0])
    observer = Observer(answers, lambda: metrics_of(60))
    seen = []
    for clock[0] in (100.0, 102.0, 104.0, 106.0):
        seen.append(observer.look().at)
    assert [kind for kind, _ in answers.asked].count(".metrics(") == 2
    assert [kind for kind, _ in answers.asked].count(".queues") == 4
    assert {within for _, within in answers.asked} == {8.0}
    assert [(at - seen[0]).total_seconds() for at in seen] == [0, 2, 4, 0]  # the last one by the clock of the database


def test_a_look_that_took_long_is_followed_by_a_long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(watchers, "monotonic", lambda: clock[0])

    def slow() -> Any:
        clock[0] += 0.5
        return snapshot()

    watcher = Watcher(slow, 2.0)
    watcher.stop()
    assert (watcher.seen.every, watcher.seen.at) == (10.0, 100.5)


def test_an_error_keeps_the_last_snapshot_and_the_next_look_mends_it() -> None:
    looks: list[Any] = [snapshot(), psycopg.OperationalError("gone"), NotMigrated("not there"), replace(snapshot(), queues=[])]

    def look() -> Any:
        found = looks.pop(0) if looks else replace(snapshot(), queues=[])
        if isinstance(found, Exception):
            raise found
        return found

    watcher = Watcher(look, 0.01)
    errors: set[str] = set()

    def is_mended() -> bool:
        errors.add(str(watcher.seen.error))
        return not watcher.seen.snapshot.queues

    until(is_mended, "the snapshot after the errors")
    watcher.stop()
    assert (watcher.seen.error, errors <= {"None", "gone", "not there"}) == (None, True)
    assert 0 <= watcher.seen.age < PATIENCE


def test_an_error_of_the_first_look_is_raised() -> None:
    def look() -> Any:
        raise NotMigrated("run pgqueue migrate")

    with pytest.raises(NotMigrated):
        Watcher(look, 1.0)
