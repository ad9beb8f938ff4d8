"""changed_jobs: what is new since an earlier look, whatever the order in which transactions commit."""

import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pgqueue.api.events.jobs import Looks
from pgqueue.database.calls.jobs import Changed

from .conftest import Sql

LOOK = "select jobs, is_over, oldest_xid, next_xid, last_id, at from changed_jobs(%s, %s, %s, %s, %s)"


class Watch:
    """Looks again and again, as a stream does."""

    def __init__(self, sql: Sql, most: int = 1000, **filter: Any) -> None:
        self._sql, self._filter, self._most = sql, json.dumps(filter), most
        self.looks = Looks()
        self.seen()
        self.seen()

    def changed(self) -> Changed:
        """What the next look finds."""
        (row,) = self._sql.rows(LOOK, self._filter, *self.looks.next(), self._most)
        return Changed(row.pop("jobs") or [], *row.values())

    def seen(self) -> list[tuple[int, str]]:
        """What is new: ids and events."""
        return [(job["id"], job["event"]) for job in self.looks.note(self.changed())]


def test_a_job_is_told_when_it_is_created_when_it_starts_and_when_it_ends(sql: Sql) -> None:
    """Once each."""
    before = sql.enqueue()
    watch = Watch(sql)
    id = sql.enqueue(queue="mail")
    assert watch.seen() == [(id, "created")]
    assert watch.seen() == []
    token, _ = sql.claim(sql.worker(queues=("mail",)), queues=("mail",))
    assert watch.seen() == [(id, "started")]
    sql.finish(token, {"id": id, "state": "succeeded"})
    assert watch.seen() == [(id, "ended")]
    sql.value("select cancel(%s)", before)
    assert watch.seen() == [(before, "ended")]
    assert watch.seen() == []


def test_a_dead_letter_ends_with_its_reason(sql: Sql) -> None:
    watch = Watch(sql)
    id, token = sql.running(retries=0)
    sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E", "message": "m"}})
    (job,) = watch.changed().jobs
    assert (job["event"], job["state"], job["id"]) == ("ended", "failed", id)
    assert job.keys() == {"id", "event", "state", "queue", "task", "attempt", "reason", "at"}


@pytest.mark.parametrize("savepoint", [False, True], ids=["plain", "savepoint"])
def test_a_job_of_a_transaction_that_commits_late_is_told(sql: Sql, another_sql: Callable[[], Sql], savepoint: bool) -> None:
    """Its id and its time are older than those of jobs that were told before it."""
    slow = another_sql()
    watch = Watch(sql)
    with slow.connection.transaction():
        if savepoint:
            with slow.connection.transaction():
                late = slow.enqueue()
        else:
            late = slow.enqueue()
        early = sql.enqueue()
        assert watch.seen() == [(early, "created")]
        assert watch.seen() == []
    assert watch.seen() == [(late, "created")]
    assert watch.seen() == []


def test_an_end_of_a_transaction_that_commits_late_is_told(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    slow = another_sql()
    late, early = sql.enqueue(), sql.enqueue()
    watch = Watch(sql)
    with slow.connection.transaction():
        slow.value("select cancel(%s)", late)
        sql.value("select cancel(%s)", early)
        assert watch.seen() == [(early, "ended")]
    assert watch.seen() == [(late, "ended")]


def test_what_a_transaction_had_begun_before_the_first_look_is_told(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """And what was there is not."""
    slow = another_sql()
    with slow.connection.transaction():
        late = slow.enqueue()
        sql.enqueue()
        watch = Watch(sql)
    assert watch.seen() == [(late, "created")]


def test_nothing_is_lost_or_doubled_when_transactions_commit_in_any_order(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """Six sessions enqueue and cancel; every job is told as created or ended, and its end once."""
    dice = random.Random(7)
    sessions = [another_sql() for _ in range(6)]
    watch, told, made = Watch(sql), list[tuple[int, str]](), list[int]()
    open_: dict[int, list[int]] = {}
    for _ in range(300):
        number = dice.randrange(6)
        session = sessions[number]
        match dice.choice(["begin", "enqueue", "commit", "look"]):
            case "begin" if number not in open_:
                session.connection.execute("begin")
                open_[number] = []
            case "enqueue":
                id = session.enqueue()
                made.append(id)
                if dice.random() < 0.3:
                    session.value("select cancel(%s)", id)
            case "commit" if number in open_:
                session.connection.execute("commit")
                del open_[number]
            case "look":
                told += watch.seen()
    for number in open_:
        sessions[number].connection.execute("commit")
    told += watch.seen() + watch.seen()
    ended = {row["id"] for row in sql.rows("select id from job_history")}
    assert len(told) == len(set(told))
    assert {id for id, _ in told} == set(made)
    assert {id for id, event in told if event == "ended"} == ended


def test_a_progress_report_is_no_start(sql: Sql) -> None:
    """The row of the job is written anew."""
    watch = Watch(sql)
    id, token = sql.running()
    assert (id, "started") in watch.seen()
    sql.value("select progress(%s, %s, 1)", id, token)
    assert watch.seen() == []


def test_a_retry_that_waits_is_not_created_anew(sql: Sql) -> None:
    watch = Watch(sql)
    id, token = sql.running()
    watch.seen()
    sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E", "message": "m"}})
    assert sql.state(id) == "scheduled"
    assert watch.seen() == []


def test_a_filter_leaves_out_the_jobs_of_others(sql: Sql) -> None:
    watch, ends = Watch(sql, queue="mail"), Watch(sql, state=["cancelled"])
    mine, other = sql.enqueue(queue="mail"), sql.enqueue()
    assert watch.seen() == [(mine, "created")]
    sql.value("select cancel(%s)", other)
    assert ends.seen() == [(other, "ended")]
    assert watch.seen() == []


def test_more_changes_than_asked_for_are_said_to_be_more(sql: Sql) -> None:
    watch = Watch(sql, most=5)
    for _ in range(5):
        sql.enqueue()
    assert watch.changed().is_over
    sql.enqueue()
    assert not watch.changed().is_over


def test_looks_are_forgotten_and_so_is_what_they_have_seen(sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream goes on for days."""
    monkeypatch.setattr("pgqueue.api.events.jobs.SLACK", timedelta(0))
    watch = Watch(sql)
    for _ in range(20):
        sql.enqueue()
        assert len(watch.seen()) == 1
    assert len(watch.looks._looks) <= 3
    assert len(watch.looks._known) <= 6


@pytest.mark.parametrize("filter", ["[]", '{"nonsense": 1}'])
def test_an_invalid_filter_is_refused(sql: Sql, filter: str) -> None:
    assert sql.refusal("select changed_jobs(%s)", filter).sqlstate == "PQ001"
    assert sql.refusal("select changed_jobs('{}', most => 0)").sqlstate == "PQ001"
