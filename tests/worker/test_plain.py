"""Runs that have succeeded without a result, as most do: how they are handed in, and what else no job pays for."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from pgqueue import JobContext, PgQueue
from pgqueue.database.adapters import FIRST, LAST
from pgqueue.database.call import Call
from pgqueue.database.calls.run import Verdict
from pgqueue.database.instants import moment
from pgqueue.worker.deliver import Deliverer
from pgqueue.worker.finish import BATCH
from pgqueue.worker.outcome import Outcome, outcome
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import burst
from tests.worker.finishers import new_finisher
from tests.worker.jobs import TOKEN, job, sent


class Calls:
    """Keeps the parameters of calls.

    Args:
        answers: of the first calls; later ones are answered that all has ended.
    """

    def __init__(self, answers: Sequence[list[Verdict]] = ()) -> None:
        self._answers = [*answers]
        self.params: list[Any] = []

    async def run(self, call: Call[Any], *, tell_locked: bool) -> list[Verdict]:
        self.params.append(call.params)
        return self._answers.pop(0) if self._answers else []


def _plain(id: int, elapsed: float = 0.0) -> Outcome:
    return Outcome(job(id), "succeeded", None, elapsed)


async def _handed_in(*outcomes: Outcome) -> Any:
    calls = Calls()
    await Deliverer(calls, set()).hand_in([*outcomes])  # type: ignore[arg-type]
    (params,) = calls.params
    return params


async def test_runs_without_a_result_are_handed_in_as_three_arrays_and_no_json() -> None:
    params = await _handed_in(_plain(1, 0.5), _plain(2, 1.25e-5))
    assert params == (None, None, "{1, 2}", f"{{{TOKEN},{TOKEN}}}", "{0.500000,0.000013}")


async def test_in_a_mixed_batch_each_goes_its_way() -> None:
    node = _plain(3)._replace(nodes="[]")
    failed = outcome(job(4), "failed", 0.0, error={})
    others, additions, ids, *_ = await _handed_in(_plain(1), node, failed)
    assert ids == "{1}"
    assert [(each["id"], each["state"]) for each in json.loads(others)] == [(3, "succeeded"), (4, "failed")]
    assert json.loads(additions) == [{"id": 3, "nodes": []}]


async def test_a_batch_without_any_is_json_alone() -> None:
    (others,) = await _handed_in(outcome(job(4), "failed", 0.0, error={}))
    assert len(json.loads(others)) == 1


async def test_a_run_whose_job_was_held_is_tried_again_as_json_which_finds_locks_before_it_does_anything() -> None:
    calls = Calls([[Verdict(1, "busy", None)]])
    finisher = new_finisher(calls, calls, calls, 1000)
    loop = asyncio.create_task(finisher.run())
    finisher.add(_plain(1, 0.5))
    async with asyncio.timeout(10):
        await finisher.drain()
    loop.cancel()
    (first, again) = calls.params
    assert first[2] == "{1}"
    assert [(each["id"], each["elapsed"]) for each in json.loads(again[0])] == [(1, 0.5)]


async def test_two_runs_of_a_job_are_handed_in_one_after_the_other() -> None:
    calls = Calls()
    finisher = new_finisher(calls, calls, calls, 1000)
    loop = asyncio.create_task(finisher.run())
    for ended in (_plain(1), _plain(2), _plain(1), _plain(3)):
        finisher.add(ended)
    async with asyncio.timeout(10):
        await finisher.drain()
    loop.cancel()
    assert [params[2] for params in calls.params] == ["{1, 2}", "{1, 3}"]


async def test_jobs_with_and_without_results_and_errors_end_in_one_batch(async_app: PgQueue, look: Look) -> None:
    gate, started = asyncio.Event(), list[str]()
    does: dict[str, Callable[[], Any]] = {"nothing": lambda: None, "result": lambda: 7, "error": lambda: 1 / 0}

    @async_app.task(retry=0)
    async def handler(what: str) -> Any:
        started.append(what)
        if len(started) == 15:
            asyncio.get_running_loop().call_later(0.15, gate.set)
        await gate.wait()
        return does[what]()

    jobs = {what: handler.enqueue_many([(what,)] * 5) for what in does}
    await burst(async_app)
    states = {what: {look.state(each.id) for each in jobs[what]} for what in does}
    assert states == {"nothing": {"succeeded"}, "result": {"succeeded"}, "error": {"failed"}}
    assert [await each.aresult(timeout=0) for each in jobs["result"]] == [7] * 5
    assert all(look.job(each.id)["elapsed"] >= 0.1 for each in jobs["nothing"])
    assert look.live() == 0


async def test_a_handler_knows_when_its_job_was_due_and_enqueued(async_app: PgQueue, look: Look) -> None:
    seen: list[tuple[datetime, datetime]] = []

    @async_app.task
    async def handler(ctx: JobContext) -> None:
        seen.append((ctx.run_at, ctx.created_at))

    due = datetime(1999, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    enqueued = handler.using(run_at=due).enqueue()
    await burst(async_app)
    row = look.job(enqueued.id)
    assert seen == [(due, row["created_at"])]


@pytest.mark.parametrize("time", [FIRST, LAST, datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)])
def test_times_arrive_as_they_were_sent(time: datetime) -> None:
    assert moment(sent(time)) == time


@pytest.mark.parametrize(("bytes_sent", "time"), [(b"\x7f" + b"\xff" * 7, LAST), (b"\x80" + b"\x00" * 7, FIRST)])
def test_infinity_becomes_a_time_that_python_can_hold(bytes_sent: bytes, time: datetime) -> None:
    assert moment(bytes_sent) == time


async def test_thousands_of_held_jobs_are_tried_more_rarely_than_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their tries would take all of the time, and no jobs start while so many outcomes wait."""
    pauses: list[float] = []
    running = asyncio.get_running_loop()
    later = running.call_later

    def noted(pause: float, callback: Callable[..., Any], *given: Any) -> asyncio.TimerHandle:
        if callback.__name__ == "again":
            pauses.append(pause)
        return later(pause, callback, *given)

    monkeypatch.setattr(running, "call_later", noted)
    held = [_plain(id) for id in range(5000)]
    batches = [held[begin : begin + BATCH] for begin in range(0, len(held), BATCH)]
    calls = Calls([[Verdict(each.job.id, "busy", None) for each in batch] for batch in batches])
    finisher = new_finisher(calls, calls, calls, 10_000)
    for each in held:
        finisher.add(each)
    loop = asyncio.create_task(finisher.run())
    await auntil(lambda: len(pauses) >= 5, "a try of each")
    assert pauses[:5] == [0.5, 1.0, 1.5, 2.0, 2.5]
    loop.cancel()
