"""How rarely an idle worker looks by itself, and what bounds it."""

import uuid
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.database.call import Call
from pgqueue.database.connection import OwnConnection
from pgqueue.worker import Worker
from pgqueue.worker.backstop import MOST, stretched
from pgqueue.worker.liveness import Liveness
from pgqueue.worker.maintenance import Maintenance
from pgqueue.worker.signals import Alarm
from tests.looking import Look
from tests.waiting import auntil

from .conftest import working

KILL_LISTENER = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'pgqueue liveness'"


@pytest.mark.parametrize(("workers", "times"), [(0, 1.0), (1, 1.0), (4, 1.0), (8, 2.0), (40, 10.0), (10_000, 10.0)])
def test_the_more_workers_look_the_more_rarely_each_does(workers: int, times: float) -> None:
    assert stretched(workers, is_hearing=True) == times
    assert stretched(workers, is_hearing=False) == 1.0, "one that hears nothing looks once a second"


@pytest.mark.parametrize("workers", range(1, 201))
def test_hardly_ever_does_nobody_look_for_a_second(workers: int) -> None:
    """Each looks at a random moment of its pause."""
    none_looks = (1 - 1 / stretched(workers, is_hearing=True)) ** workers
    assert none_looks < 0.02


def _stretches(worker: Worker) -> tuple[float, float]:
    """Of the looks for ready jobs, and for those that become due."""
    return worker._parts.claimer._stretch(), worker._parts.maintenance._stretch()


async def test_a_worker_among_many_looks_more_rarely_until_its_listener_is_lost(
    app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.task
    async def work() -> None: ...

    look.rows(
        "select register_worker(gen_random_uuid(), 'peer', 'host', 1, '0', '{default}', 1, '1 h') from generate_series(1, 99)"
    )
    async with working(app) as worker:
        await auntil(lambda: worker._is_built and _stretches(worker) == (MOST, MOST), "it knows of the others")

        def stay_dead(self: Liveness, connection: OwnConnection) -> None:
            raise psycopg.OperationalError("no listener for now")

        rung: list[Any] = []
        monkeypatch.setattr(worker._parts.alarm, "ring", lambda: rung.append(1))
        monkeypatch.setattr(Liveness, "_listen", stay_dead)
        look.value(KILL_LISTENER)
        await auntil(lambda: _stretches(worker) == (1.0, 1.0), "it looks once a second again")
        await auntil(lambda: rung, "the look at once, in place of one that may be ten seconds away")


async def test_a_worker_alone_on_its_queue_looks_once_a_second(app: PgQueue, look: Look) -> None:
    @app.task(queue="mail")
    async def work() -> None: ...

    look.rows(
        "select register_worker(gen_random_uuid(), 'peer', 'host', 1, '0', '{default}', 1, '1 h') from generate_series(1, 99)"
    )
    async with working(app) as worker:
        await auntil(lambda: worker._is_built and _stretches(worker)[1] == MOST, "it knows of the others")
        assert _stretches(worker)[0] == 1.0


async def test_the_more_workers_there_are_the_more_rarely_each_looks_for_lost_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once in a lease at least, so that the last worker that is left finds the others."""
    asked: list[str] = []

    class Link:
        async def run(self, call: Any) -> int:
            asked.append((call if isinstance(call, Call) else call()).statement)
            return 0

    async def sleep(seconds: float) -> None: ...

    monkeypatch.setattr("pgqueue.worker.maintenance.asyncio.sleep", sleep)
    alarm = Alarm()
    loops = Maintenance(Link(), 30, uuid.uuid4, list, list, alarm, None)  # type: ignore[arg-type]
    for workers, is_hearing, looks in ((1, True, 12), (100, True, 4), (100, False, 12)):
        alarm.workers, alarm.is_hearing = workers, is_hearing
        await loops._sweep()
        asked.clear()
        for _ in range(12):
            await loops._sweep()
        assert sum("mark_lost" in one for one in asked) == pytest.approx(looks, abs=1)
        assert sum("reconcile" in one for one in asked) == 12, "what it does for itself it always does"
