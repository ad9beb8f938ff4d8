"""Burials: the database hears of killed processes, without holding anything up."""

import asyncio
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.database.statement import Statements
from pgqueue.errors import Disconnected
from pgqueue.supervisor.burials import Burials, lost_by
from pgqueue.supervisor.death import Death, Reason
from pgqueue.supervisor.oom import OomWatch

from ..sql.conftest import Sql
from ..waiting import auntil

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def sql(connect: Callable[..., psycopg.Connection[Any]]) -> Sql:
    """A look at the database, and its functions."""
    return Sql(connect())


@asynccontextmanager
async def burying(url: str, statements: Statements, kills: list[int] | None = None) -> AsyncIterator[Burials]:
    """Burials at work; `kills`: how many processes the kernel has killed."""
    counts = kills if kills is not None else [0]
    burials = Burials(url, statements, OomWatch(lambda: counts[0]))
    running = asyncio.create_task(burials.run())
    try:
        yield burials
    finally:
        running.cancel()
        await asyncio.wait([running])


def working(sql: Sql) -> tuple[str, int]:
    """A worker and the only job that it runs."""
    id, worker = sql.enqueue(retries=10), sql.worker()
    sql.claim(worker)
    return str(worker), id


def dead(worker: str | None, reason: Reason = "killed", code: int = -9, running: tuple[int, ...] = ()) -> Death:
    return Death(worker, code, reason, 912_000_000, running)


async def test_the_jobs_of_a_killed_process_are_taken_at_once(app: PgQueue, sql: Sql) -> None:
    worker, id = working(sql)
    async with burying(app.url, app.statements) as burials:
        burials.add(dead(worker, running=(id,)))
        await burials.drain(5)
        assert sql.state(id) == "ready"
        assert (sql.job(id)["attempt"], sql.job(id)["errors"][0]["message"]) == (1, "its process was killed by signal SIGKILL")


async def test_it_holds_no_connection_between(app: PgQueue, sql: Sql) -> None:
    async with burying(app.url, app.statements) as burials:
        burials.add(dead(str(uuid.uuid4())))
        await burials.drain(5)
        await auntil(
            lambda: not sql.value("select count(*) from pg_stat_activity where application_name = 'pgqueue supervisor'"),
            "it is closed",
        )


@pytest.mark.parametrize("reason", ["memory", "killed"])
async def test_out_of_memory_is_named_whoever_has_killed_it(app: PgQueue, sql: Sql, reason: Reason) -> None:
    worker, id = working(sql)
    kills = [3]
    async with burying(app.url, app.statements, kills) as burials:
        kills[0] = 4 if reason == "killed" else 3
        burials.add(dead(worker, reason, running=(id,)))
        await burials.drain(5)
    assert sql.job(id)["errors"][0]["message"] == "out of memory: 912 MB"
    assert sql.value("select lost_reason from worker") == "memory"


async def test_nobody_waits_for_a_database_that_is_away(app: PgQueue) -> None:
    async with burying(NOWHERE, app.statements) as burials:
        began = time.monotonic()
        for _ in range(1100):
            burials.add(dead(str(uuid.uuid4())))
        assert time.monotonic() - began < 0.5
        await burials.drain(0.1)
        assert time.monotonic() - began < 1


@pytest.mark.parametrize("error", [Disconnected("gone"), OSError("too many open files")])
async def test_it_asks_again_until_the_database_answers(
    app: PgQueue, sql: Sql, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("pgqueue.supervisor.burials.PAUSE", 0.01)
    worker, id = working(sql)
    async with burying(app.url, app.statements) as burials:
        run, asked = burials._link.run, list[Any]()

        async def fails_twice(call: Any) -> Any:
            asked.append(call)
            if len(asked) < 3:
                raise error
            return await run(call)

        monkeypatch.setattr(burials._link, "run", fails_twice)
        burials.add(dead(worker, running=(id,)))
        await burials.drain(5)
    assert (len(asked), sql.state(id)) == (3, "ready")


async def test_what_is_refused_is_left_to_the_lease_and_the_next_one_has_its_turn(app: PgQueue, sql: Sql) -> None:
    worker, id = working(sql)
    async with burying(app.url, app.statements) as burials:
        burials.add(dead(worker, running=(2**70,)))
        burials.add(dead("what no worker is called", running=(id,)))
        burials.add(dead(worker, running=(id,)))
        await burials.drain(5)
    assert sql.state(id) == "ready"


async def test_jobs_that_found_no_room_in_the_status_have_begun_too(
    app: PgQueue, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise their attempts would not count, and one that kills its process would do so again and again."""
    monkeypatch.setattr("pgqueue.supervisor.burials.MOST_RUNNING", 2)
    ids, worker = [sql.enqueue(retries=10) for _ in range(3)], sql.worker()
    sql.claim(worker, want=3)
    sql.rows("update worker set started = %s, heartbeat_at = clock_timestamp() - interval '10 s' where id = %s", ids, worker)
    sql.rows("update job set claimed_at = claimed_at - interval '1 hour'")
    async with burying(app.url, app.statements) as burials:
        burials.add(dead(str(worker), running=tuple(ids[:2])))
        await burials.drain(5)
    assert [(sql.state(id), sql.job(id)["attempt"], sql.job(id)["rescues"]) for id in ids] == [("ready", 1, 1)] * 3


async def test_a_process_that_never_had_a_worker_is_passed_over(app: PgQueue) -> None:
    async with burying(NOWHERE, app.statements) as burials:
        burials.add(dead(None, "boot"))
        await burials.drain(60)


@pytest.mark.parametrize(
    ("death", "reason"),
    [
        (dead("w"), "crashed"),
        (dead("w", code=-signal.SIGSEGV), "crashed"),
        (dead("w", "exited", 3), "crashed"),
        (dead("w", "stuck"), "crashed"),
        (dead("w", "memory"), "memory"),
        (dead("w", "late"), "worker_shutdown"),
        (dead("w", code=-signal.SIGTERM), "worker_shutdown"),
        (dead("w", "exited", 128 + signal.SIGINT), "worker_shutdown"),
    ],
)
def test_no_job_is_blamed_for_a_process_that_was_told_to_end(death: Death, reason: str) -> None:
    assert lost_by(death) == reason
