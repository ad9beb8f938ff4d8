"""Telling who waits which jobs are over."""

import asyncio
from typing import Any, cast

import pytest

from pgqueue.database import Link
from pgqueue.database.call import Call
from pgqueue.errors import Disconnected, PgQueueError
from pgqueue.worker import waiters as sending
from pgqueue.worker.waiters import Waiters
from tests.waiting import auntil

from .test_finish import Database, _end, _lost, _says, finishing


class Sent:
    """A link that notes what is sent."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.sent = list(errors), list[list[int]]()

    async def run(self, call: Call[Any]) -> None:
        self.sent.append(call.params[0])
        if self.errors:
            raise self.errors.pop(0)


class Noted(Waiters):
    """Somebody waits, and what would be sent stays here."""

    def __init__(self) -> None:
        super().__init__(cast(Link, None))
        self.asked()


@pytest.mark.parametrize(("verdict", "told"), [("scheduled", [1]), ("dead_letter", [1, 2]), ("stale", [1]), ("busy", [1])])
async def test_only_jobs_that_are_over_are_told(verdict: str, told: list[int]) -> None:
    database = Database(_says(verdict, 2))
    waiters = Noted()
    async with finishing(database, waiters=waiters) as finisher:
        _end(finisher, 1, 2)
        await auntil(lambda: finisher.counts, "a finish")
        assert waiters._ids == told


async def test_jobs_that_an_unanswered_call_has_finished_are_left_to_the_looks() -> None:
    database = Database(_lost, _says("stale", 2))
    waiters = Noted()
    async with finishing(database, waiters=waiters) as finisher:
        _end(finisher, 1, 2)
        await auntil(lambda: finisher.counts, "a finish")
        assert waiters._ids == [1]


async def test_nothing_is_collected_while_nobody_waits() -> None:
    waiters = Waiters(cast(Link, None))
    async with finishing(Database(), waiters=waiters) as finisher:
        _end(finisher, 1)
        await finisher.drain()
        assert waiters._ids == []


def test_an_asking_counts_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    waiters = Waiters(cast(Link, None))
    moments = iter([100.0, 100.0 + sending.ASKED_FOR - 1, 100.0 + sending.ASKED_FOR + 1])
    monkeypatch.setattr("time.monotonic", lambda: next(moments))
    waiters.asked()
    assert [waiters.is_asked(), waiters.is_asked()] == [True, False]


async def test_the_first_is_told_at_once_and_the_others_of_the_moment_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep, over = asyncio.sleep, asyncio.Event()

    async def moment(seconds: float) -> None:
        await (over.wait() if seconds == sending.EVERY else sleep(seconds))

    monkeypatch.setattr(asyncio, "sleep", moment)
    link = Sent()
    waiters = Waiters(cast(Link, link))
    run = asyncio.create_task(waiters.run())
    waiters.over([1])
    await auntil(lambda: link.sent, "the first")
    for id in (2, 3, 4):
        waiters.over([id])
        await asyncio.sleep(0)
    assert link.sent == [[1]]
    over.set()
    await auntil(lambda: len(link.sent) > 1, "the others")
    assert link.sent == [[1], [2, 3, 4]]
    run.cancel()


async def test_the_waiters_goes_on_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FAILED_AGAIN", 0.01)
    link = Sent(Disconnected("gone"), PgQueueError("refused"))
    waiters = Waiters(cast(Link, link))
    run = asyncio.create_task(waiters.run())
    for id in (1, 2, 3):
        waiters.over([id])
        await auntil(lambda id=id: [id] in link.sent, "it is sent")  # type: ignore[misc]
    run.cancel()


def test_only_watched_jobs_that_have_changed_are_told() -> None:
    waiters = Waiters(cast(Link, None))
    waiters.changed([1, 2])
    assert not waiters.is_watching()
    waiters.watched("1,3")
    waiters.changed([1, 2])
    assert waiters._ids == [1]


def test_a_watch_counts_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    waiters = Waiters(cast(Link, None))
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    waiters.watched("1")
    assert waiters.is_watching()
    now += sending.ASKED_FOR + 1
    waiters.changed([1])
    assert (waiters._ids, waiters.is_watching()) == ([], False)
    waiters.watched("2")
    assert list(waiters._watched) == [2]


def test_whatever_anybody_sends_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The channel is open to every user of the database."""
    monkeypatch.setattr(sending, "MOST_WATCHED", 3)
    waiters = Waiters(cast(Link, None))
    waiters.watched("")
    waiters.watched("x,-1,1e5,٣٣٣,\x00," + "9" * 5000)
    assert list(waiters._watched) in ([], [333])
    waiters.watched("1,2,3,4,5")
    assert len(waiters._watched) <= 3


async def test_a_thread_tells_on_the_loop() -> None:
    waiters = Waiters(cast(Link, None))
    told = waiters.teller(asyncio.get_running_loop())
    await asyncio.to_thread(told, 7)
    waiters.watched("7")
    await asyncio.to_thread(told, 7)
    await auntil(lambda: waiters._ids == [7], "the job")
