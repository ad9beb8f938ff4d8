"""The log names the job that blocks the event loop of a worker."""

import asyncio
import threading
import time

import pytest

from pgqueue import PgQueue
from pgqueue.worker.blocker import Blocker, Blocking, warning
from pgqueue.worker.lag import LONG, LoopLag
from pgqueue.workflow.canvas import chunk_signature
from tests.looking import Look
from tests.waiting import auntil, until
from tests.worker.conftest import working
from tests.worker.jobs import job

BLOCKED = 1.3  # seconds; longer than the warning needs


@pytest.fixture
def short(database_url: str) -> PgQueue:
    """An app that beats, and so warns, three times a second."""
    return PgQueue(database_url, lease=1)


def _noted(found: Blocking | None, seen: list[Blocking]) -> bool:
    seen += [found] if found else []
    return bool(seen)


async def test_the_warning_names_a_call_of_a_chunk(short: PgQueue, look: Look, caplog: pytest.LogCaptureFixture) -> None:
    @short.task(name="block")
    async def block(n: int) -> None:
        time.sleep(BLOCKED)  # noqa: ASYNC251 it is what the test is about

    (job,) = short.enqueue_many([chunk_signature(block, [{"n": 1}])])
    async with working(short):
        await auntil(lambda: look.state(job.id) == "succeeded", "the chunk")
        await auntil(lambda: "event loop was blocked" in caplog.text, "the warning")

    assert f"s by job {job.id} (task 'block'); define blocking handlers with `def`" in caplog.text
    await short.aclose()


async def test_a_handler_that_runs_alone_in_a_thread_is_named_if_the_loop_runs_nothing(short: PgQueue, look: Look) -> None:
    started, may_end = threading.Event(), threading.Event()
    seen: list[Blocking] = []
    blocker = Blocker(asyncio.get_running_loop(), {})

    @short.task(name="hold")
    def hold() -> None:
        started.set()
        may_end.wait(30)

    def look_at_it() -> None:
        started.wait(30)
        until(lambda: _noted(blocker.look(), seen), "a moment without work on the loop")
        may_end.set()

    looking = threading.Thread(target=look_at_it)
    job = hold.enqueue()
    looking.start()
    async with working(short):
        await auntil(lambda: look.state(job.id) == "succeeded", "the job")
    looking.join()

    (found,) = seen
    assert found.is_in_thread
    assert warning(2.0, found) == (
        f"the event loop was blocked for 2.0 s while job {job.id} (task 'hold') ran in a thread; its code does not let others "
        'run: give the task executor="process"'
    )
    await short.aclose()


async def test_a_loop_that_nobody_blocks_names_nobody() -> None:
    assert warning(1.5, None) == (
        "the event loop was blocked for 1.5 s; define blocking handlers with `def`, so that they run in threads"
    )
    assert await asyncio.to_thread(Blocker(asyncio.get_running_loop(), {}).look) is None


async def test_of_several_the_one_that_has_blocked_for_the_longest_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    lag, answers = LoopLag(asyncio.get_running_loop()), iter(["short", "long", "again"])
    for seconds in (LONG / 2, LONG * 2, LONG * 4, LONG * 3):
        monkeypatch.setattr(lag, "open_for", lambda seconds=seconds: seconds)
        lag.look(lambda: next(answers))  # type: ignore[arg-type, return-value]

    assert lag.take_blocker() == "long"  # type: ignore[comparison-overlap]
    assert lag.take_blocker() is None


async def test_who_is_found_when_the_loop_has_answered_meanwhile_is_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    lag = LoopLag(asyncio.get_running_loop())
    monkeypatch.setattr(lag, "open_for", lambda: 2 * LONG)

    def slow() -> Blocking:
        lag.ping()  # the next question
        return Blocking(job(), False)

    lag.look(slow)
    assert lag.take_blocker() is None
