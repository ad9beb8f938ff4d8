"""Handing in outcomes, with a database that answers as the test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from pgqueue.database.call import Call
from pgqueue.database.calls.run import Verdict
from pgqueue.errors import Disconnected
from pgqueue.worker import finish
from pgqueue.worker.finish import BATCH, Finisher
from pgqueue.worker.outcome import outcome
from tests.worker.finishers import HeardAlarm, new_finisher
from tests.worker.jobs import job, limited_job

Answer = Callable[[list[dict[str, Any]]], list[Verdict]]


class Database:
    """Answers finish calls; each answer may raise. By default every job simply ends."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.batches: list[list[dict[str, Any]]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, call: Call[Any], *, tell_locked: bool = False) -> Any:
        await self.gate.wait()
        batch = json.loads(call.params[0])
        self.batches.append(batch)
        return self.answers.pop(0)(batch) if self.answers else []

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]


@asynccontextmanager
async def finishing(database: Database, most_unflushed: int = 1000, **parts: Any) -> AsyncIterator[Finisher]:
    finisher = new_finisher(database, database, database, most_unflushed, **parts)
    loops = [asyncio.create_task(run()) for run in finisher.loops().values()]
    yield finisher
    for loop in loops:
        assert not loop.done(), "it ended"
        loop.cancel()


def _end(finisher: Finisher, *ids: int) -> None:
    for id in ids:
        finisher.add(outcome(job(id), "succeeded", 0.0))


def _says(verdict: str, *ids: int) -> Answer:
    return lambda batch: [Verdict(o["id"], verdict, None) for o in batch if o["id"] in ids]


def _lost(batch: list[dict[str, Any]]) -> list[Verdict]:
    raise Disconnected("the reply was lost")


def _too_slow(batch: list[dict[str, Any]]) -> list[Verdict]:
    raise Disconnected("deadline passed", too_slow=True)


def _refuses(bad: set[int]) -> Answer:
    def answer(batch: list[dict[str, Any]]) -> list[Verdict]:
        if any(o["id"] in bad and o["state"] == "succeeded" for o in batch):
            raise psycopg.errors.UntranslatableCharacter("\\u0000 cannot be converted to text")
        return []

    return answer


async def test_outcomes_of_one_moment_are_one_call() -> None:
    database = Database()
    async with finishing(database) as finisher:
        _end(finisher, 1, 2, 3)
        await finisher.drain()
    assert [[o["id"] for o in batch] for batch in database.batches] == [[1, 2, 3]]
    assert finisher.counts == {"succeeded": 3}


async def test_outcomes_that_come_during_a_call_are_the_next_call() -> None:
    database = Database()
    async with finishing(database) as finisher:
        database.gate.clear()
        _end(finisher, 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        _end(finisher, 2, 3)
        assert finisher.unflushed() == [2, 3, 1]
        database.gate.set()
        await finisher.drain()
        assert finisher.unflushed() == []
    assert database.sizes == [1, 2]


async def test_a_call_hands_in_no_more_than_a_thousand() -> None:
    database = Database()
    async with finishing(database) as finisher:
        _end(finisher, *range(2500))
        await finisher.drain()
    assert database.sizes == [BATCH, BATCH, 500]


async def test_a_full_buffer_says_so_until_there_is_room() -> None:
    database = Database()
    room: list[bool] = []
    made: list[Finisher] = []
    async with finishing(database, most_unflushed=2, on_room=lambda: room.append(made[0].is_full())) as finisher:
        made.append(finisher)
        _end(finisher, 1, 2)
        assert finisher.is_full()
        await finisher.drain()
        assert not finisher.is_full()
    assert room == [False]


async def test_a_stale_outcome_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    database = Database(_says("stale", 2))
    async with finishing(database) as finisher:
        _end(finisher, 1, 2)
        await finisher.drain()
    assert finisher.counts["stale"] == 1
    assert "job 2 now belongs to another worker" in caplog.text


async def test_after_a_lost_reply_the_same_call_is_repeated_and_a_missing_job_is_not_called_stale() -> None:
    database = Database(_lost, _lost, _says("stale", 1, 2))
    async with finishing(database) as finisher:
        _end(finisher, 1, 2)
        await finisher.drain()
    assert database.batches[0] == database.batches[1] == database.batches[2]
    assert finisher.counts["unconfirmed"] == 2
    assert finisher.counts["stale"] == 0


async def test_a_job_that_the_unanswered_call_still_holds_is_not_called_stale_when_it_is_missing_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finish, "BUSY_AGAIN", 0.0)
    database = Database(_lost, _says("busy", 1), _says("busy", 1), _says("stale", 1))
    async with finishing(database) as finisher:
        _end(finisher, 1, 2)
        await finisher.drain()
        _end(finisher, 3)
        database.answers = [_says("stale", 3)]
        await finisher.drain()
    assert database.sizes == [2, 2, 1, 1, 1]
    assert (finisher.counts["unconfirmed"], finisher.counts["stale"]) == (1, 1)
    assert finisher.counts["succeeded"] == 1


async def test_halves_of_a_batch_whose_answer_was_lost_are_in_doubt_too() -> None:
    database = Database(_too_slow, _says("stale", 1), _says("stale", 2))
    async with finishing(database) as finisher:
        _end(finisher, 1, 2)
        await finisher.drain()
    assert database.sizes == [2, 1, 1]
    assert (finisher.counts["unconfirmed"], finisher.counts["stale"]) == (2, 0)


async def test_a_refused_batch_is_halved_down_to_the_bad_outcome() -> None:
    database = Database(*[_refuses({13})] * 100)
    async with finishing(database) as finisher:
        _end(finisher, *range(100))
        await finisher.drain()
    handed_in = [
        o for batch in database.batches if not any(o["id"] == 13 and o["state"] == "succeeded" for o in batch) for o in batch
    ]
    assert sorted(o["id"] for o in handed_in) == list(range(100))
    (refused,) = [o for o in handed_in if o["id"] == 13]
    assert (refused["state"], refused["reason"], refused["final"]) == ("failed", "system_error", True)
    assert len(database.batches) < 25
    assert finisher.counts == {"succeeded": 99, "refused": 1}


async def test_an_outcome_that_cannot_even_be_failed_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    def refuse_1(batch: list[dict[str, Any]]) -> list[Verdict]:
        if any(o["id"] == 1 for o in batch):
            raise psycopg.errors.CheckViolation("never")
        return []

    database = Database(*[refuse_1] * 10)
    async with finishing(database) as finisher:
        _end(finisher, 1, 2)
        await finisher.drain()
        _end(finisher, 3)
        await finisher.drain()
    assert finisher.counts == {"succeeded": 2}
    assert "job 1 cannot be finished; it is given back" in caplog.text


async def test_a_busy_job_is_tried_again_while_others_finish() -> None:
    busy = _says("busy", 1)
    database = Database(busy, busy, busy)
    async with finishing(database) as finisher:
        _end(finisher, 1, 2)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert finisher.unflushed() == [1]
        _end(finisher, 3)
        async with asyncio.timeout(10):
            await finisher.drain()
    assert [[o["id"] for o in batch] for batch in database.batches[:2]] == [[1, 2], [3]]
    assert [o["id"] for batch in database.batches for o in batch].count(2) == 1
    assert finisher.counts["succeeded"] == 3


async def test_a_job_that_is_scheduled_again_is_told_to_whoever_promotes() -> None:
    told: list[str] = []
    database = Database(_says("scheduled", 1))
    async with finishing(database, alarm=HeardAlarm(told.append)) as finisher:
        _end(finisher, 1, 2)
        await finisher.drain()
    assert told == ["ring"]


class _PermissionDenied(psycopg.errors.InsufficientPrivilege):
    sqlstate = "42501"


async def test_a_batch_refused_for_a_reason_outside_of_it_is_handed_in_whole_later() -> None:
    def denied(batch: list[dict[str, Any]]) -> list[Verdict]:
        raise _PermissionDenied("permission denied for function finish")

    database = Database(denied, denied)
    async with finishing(database) as finisher:
        _end(finisher, 1, 2, 3)
        await finisher.drain()
    assert database.sizes == [3, 3, 3]
    assert finisher.counts == {"succeeded": 3}


async def test_a_batch_that_is_too_slow_is_parted() -> None:
    database = Database(_too_slow, _too_slow)
    async with finishing(database) as finisher:
        _end(finisher, 1, 2, 3, 4)
        await finisher.drain()
    assert database.sizes == [4, 1, 1, 1, 1, 1]


async def test_large_outcomes_are_handed_in_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.worker.finish.BATCH_CHARACTERS", 250)
    database = Database()
    async with finishing(database) as finisher:
        _end(finisher, *range(10))
        await finisher.drain()
    assert sum(database.sizes) == 10
    assert max(database.sizes) <= 3


async def test_what_jobs_add_to_workflows_counts_as_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.worker.finish.BATCH_CHARACTERS", 1000)
    database = Database()
    async with finishing(database) as finisher:
        for id in range(4):
            finisher.add(outcome(job(id), "succeeded", 0.0)._replace(nodes=f"[{' ' * 900}]"))
        await finisher.drain()
    assert database.sizes == [1, 1, 1, 1]


async def test_a_job_that_adds_more_than_the_database_manages_in_time_fails_for_good() -> None:
    database = Database(_too_slow, _lost, _too_slow)
    async with finishing(database) as finisher:
        finisher.add(outcome(job(1), "succeeded", 0.0)._replace(nodes="[]"))
        await finisher.drain()
        _end(finisher, 2)
        await finisher.drain()
    *same, refused, _ = [batch[0] for batch in database.batches]
    assert [one["state"] for one in same] == ["succeeded"] * 3
    assert (refused["state"], refused["reason"], refused["final"]) == ("failed", "system_error", True)
    assert "job 1 adds too much at once" in refused["error"]["message"]
    assert finisher.counts == {"refused": 1, "succeeded": 1}


async def test_two_outcomes_of_one_job_are_two_calls() -> None:
    """The run that lost the job ends at the same time as the one that has it: only of one alone can the database say that."""
    old, new = (outcome(job(1), state, 0.0) for state in ("failed", "succeeded"))
    told: list[tuple[list[str], list[str]]] = []
    database = Database(_says("stale", 1))
    async with finishing(database) as finisher:
        finisher.on_finished = lambda outcomes, verdicts: told.append(
            ([o.state for o in outcomes], [v.verdict for v in verdicts])
        )
        _end(finisher, 2)
        finisher.add(old)
        _end(finisher, 3)
        finisher.add(new)
        await finisher.drain()
    assert [[o["id"] for o in batch] for batch in database.batches] == [[2, 1, 3], [1]]
    assert finisher.counts == {"succeeded": 3, "stale": 1}
    assert told == [(["succeeded", "failed", "succeeded"], ["stale"]), (["succeeded"], [])]


async def test_the_end_of_a_job_with_limits_is_told_once_the_database_knows_it() -> None:
    """Others may start in its place."""
    database = Database(_says("busy", 3))
    told: list[int] = []
    async with finishing(database, alarm=HeardAlarm(lambda what: told.append(len(database.batches)))) as finisher:
        database.gate.clear()
        finisher.add(outcome(limited_job(3), "succeeded", 0.0))
        await asyncio.sleep(0)
        assert told == []
        database.gate.set()
        await finisher.drain()
        assert told == [2], "that it was busy is no end"
        _end(finisher, 1, 2)
        await finisher.drain()
    assert told == [2]
