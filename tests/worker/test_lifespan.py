"""What handlers share: opened before the first job, closed after the last, and passed by type."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from pgqueue import INJECTED, Inject, JobContext, PgQueue
from pgqueue.errors import ConfigurationError, NotMigrated
from tests.conftest import TEST_LEASE
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import burst, new_worker, working

SHARED: ContextVar[str] = ContextVar("SHARED", default="none")


class Client:
    """A resource."""

    def __init__(self, name: str = "client") -> None:
        self.name = name
        self.open = True


class Cache(dict[str, str]):
    """Another resource."""


class Lifespan:
    """A lifespan that yields what it is given and remembers what happened."""

    def __init__(self, *values: Any) -> None:
        self.values = values
        self.happened: list[str] = []

    async def __call__(self, app: PgQueue) -> AsyncIterator[Any]:
        """The lifespan."""
        self.happened.append("entered")
        try:
            yield self.values if len(self.values) != 1 else self.values[0]
        finally:
            self.happened.append("left")


def _app(database_url: str, lifespan: Any) -> PgQueue:
    return PgQueue(database_url, lease=TEST_LEASE, lifespan=lifespan)


async def test_async_and_thread_handlers_take_the_values_by_type(database_url: str) -> None:
    client, cache = Client(), Cache(key="value")
    app = _app(database_url, Lifespan(client, cache).__call__)

    @app.task
    async def fetch(url: str, http: Inject[Client] = INJECTED, *, ctx: JobContext) -> list[Any]:
        return [url, http is client, http.open, ctx.args]

    @app.task
    def look_up(key: str, cache: Inject[Cache] = INJECTED) -> str:
        return cache[key]

    @app.task
    async def without() -> str:
        return "nothing"

    jobs = [fetch.enqueue("a://b"), look_up.enqueue("key"), without.enqueue()]
    await burst(app)
    assert await jobs[0].aresult(timeout=0) == ["a://b", True, True, {"url": "a://b"}]
    assert await jobs[1].aresult(timeout=0) == "value"
    assert await jobs[2].aresult(timeout=0) == "nothing"
    app.close()
    await app.aclose()


async def test_it_is_entered_before_the_first_claim_and_left_after_the_last_handler(database_url: str, look: Look) -> None:
    happened: list[str] = []
    opening, may_open = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def lifespan(app: PgQueue) -> AsyncIterator[None]:
        SHARED.set("set by the lifespan")
        opening.set()
        await may_open.wait()
        happened.append("entered")
        yield
        happened.append("left")

    app = _app(database_url, lifespan)

    @app.task
    async def work() -> str:
        happened.append("runs")
        await asyncio.sleep(0.2)
        happened.append("ends")
        return SHARED.get()

    job = work.enqueue()
    async with working(app) as worker:
        await opening.wait()
        assert look.rows("select * from worker") == []
        assert look.state(job.id) == "ready"
        may_open.set()
        await auntil(lambda: "runs" in happened, "the job")
        worker.stop()
    assert happened == ["entered", "runs", "ends", "left"]
    assert await job.aresult(timeout=0) == "set by the lifespan"
    app.close()
    await app.aclose()


async def test_it_is_left_when_the_start_fails(empty_database_url: str) -> None:
    lifespan = Lifespan()
    app = _app(empty_database_url, lifespan.__call__)
    app.task(name="nothing")(lambda: None)
    with pytest.raises(NotMigrated):
        await new_worker(app).run()
    assert lifespan.happened == ["entered", "left"]


async def test_it_is_left_when_the_worker_is_cancelled(database_url: str, look: Look) -> None:
    lifespan = Lifespan(Client())
    app = _app(database_url, lifespan.__call__)
    app.task(name="nothing")(lambda: None)
    run = asyncio.create_task(new_worker(app).run())
    await auntil(lambda: look.value("select count(*) from worker"), "the worker")
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert lifespan.happened == ["entered", "left"]


async def test_a_stop_while_it_is_entered_ends_the_worker(database_url: str, look: Look) -> None:
    happened: list[str] = []

    async def waits(app: PgQueue) -> AsyncIterator[None]:
        happened.append("entering")
        try:
            await asyncio.Event().wait()
        finally:
            happened.append("cancelled")
        yield

    app = _app(database_url, waits)
    job = app.task(name="nothing")(lambda: None).enqueue()
    worker = new_worker(app)
    run = asyncio.create_task(worker.run())
    await auntil(lambda: happened, "the lifespan")
    worker.stop()
    async with asyncio.timeout(5):
        await run
    assert happened == ["entering", "cancelled"]
    assert look.state(job.id) == "ready"
    assert look.rows("select * from worker") == []
    app.close()


async def test_a_timeout_of_its_own_is_no_stop(database_url: str) -> None:
    async def broken(app: PgQueue) -> AsyncIterator[None]:
        raise TimeoutError("no answer")
        yield

    app = _app(database_url, broken)
    app.task(name="nothing")(lambda: None)
    with pytest.raises(TimeoutError, match="no answer"):
        await new_worker(app).run()


async def test_a_lifespan_that_cannot_be_left_does_not_hold_up_the_end(
    database_url: str, look: Look, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.worker.worker.FLUSH_WITHIN", 0.2)

    async def hangs(app: PgQueue) -> AsyncIterator[None]:
        yield
        await asyncio.Event().wait()

    app = _app(database_url, hangs)
    app.task(name="nothing")(lambda: None)
    worker = new_worker(app)
    run = asyncio.create_task(worker.run())
    await auntil(lambda: look.value("select count(*) from worker"), "the worker")
    worker.stop()
    async with asyncio.timeout(8):
        await run
    assert "the lifespan did not end within 0.2 s" in caplog.text


async def test_what_it_raises_when_it_is_entered_ends_the_worker_before_anything_is_claimed(
    database_url: str, look: Look
) -> None:
    async def broken(app: PgQueue) -> AsyncIterator[None]:
        raise OSError("no such service")
        yield

    app = _app(database_url, broken)
    job = app.task(name="nothing")(lambda: None).enqueue()
    with pytest.raises(OSError, match="no such service"):
        await new_worker(app).run()
    assert look.state(job.id) == "ready"
    app.close()


async def test_what_it_raises_when_it_is_left_is_logged(database_url: str, look: Look, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(app: PgQueue) -> AsyncIterator[None]:
        yield
        raise OSError("will not close")

    app = _app(database_url, broken)
    job = app.task(name="nothing")(lambda: None).enqueue()
    await burst(app)
    assert look.state(job.id) == "succeeded"
    assert "the lifespan failed on exit" in caplog.text
    assert "OSError: will not close" in caplog.text
    app.close()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ((), "no values of the lifespan fit, which yields nothing"),
        ((None,), "no values of the lifespan fit, which yields nothing"),
        ((Cache(),), "no values of the lifespan fit, which yields Cache"),
        ((Client(), Client("two"), 1), "2 values of the lifespan fit, which yields Client, Client, int"),
    ],
)
async def test_values_that_do_not_fit_are_named_when_the_worker_starts(
    database_url: str, look: Look, values: tuple[Any, ...], why: str
) -> None:
    lifespan = Lifespan(*values)
    app = _app(database_url, lifespan.__call__)

    @app.task
    async def fetch(http: Inject[Client] = INJECTED) -> None: ...

    with pytest.raises(
        ConfigurationError, match=f"task 'fetch': parameter 'http' takes a Client; {why}; let it yield exactly one"
    ):
        await new_worker(app).run()
    assert lifespan.happened == ["entered", "left"]
    assert look.rows("select * from worker") == []


async def test_a_type_that_has_no_instances_is_refused(database_url: str) -> None:
    app = _app(database_url, Lifespan({"a": 1}).__call__)

    @app.task
    async def fetch(table: Inject[dict[str, int]] = INJECTED) -> None: ...

    with pytest.raises(ConfigurationError, match=r"parameter 'table' is annotated Inject.*matched by isinstance; use a class"):
        await new_worker(app).run()


@pytest.mark.parametrize("wrong", [Client, lambda app: None, "text"])
def test_what_is_no_lifespan_is_refused(database_url: str, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"lifespan: .* is not valid; use an async generator function \(async def\)"):
        PgQueue(database_url, lifespan=wrong)
