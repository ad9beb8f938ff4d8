"""FAULTS 2, 26 and 29: a long backlog, dead rows that nobody may remove, and jobs for later in front of those for now."""

import json
import statistics
import time
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from tests.looking import Look
from tests.worker.conftest import burst

Connect = Callable[..., psycopg.Connection[Any]]


def _fill(look: Look, jobs: int, options: str = "") -> None:
    """Ready jobs, the quick way, with the statistics that autovacuum would have gathered."""
    query = f"select enqueue_many('bare', jsonb_agg('{{}}'::jsonb) {options}) from generate_series(1, %s)"
    for start in range(0, jobs, 100_000):
        look.connection.execute(query.encode(), [min(100_000, jobs - start)])
    look.connection.execute("analyze job")


def _claim_and_finish(look: Look, worker: uuid.UUID, batch: int) -> tuple[float, float]:
    """Seconds for one claim and one finish."""
    token = uuid.uuid4()
    began = time.perf_counter()
    ids = [row["id"] for row in look.rows("select id from claim(%s, %s, '{default}', %s)", worker, token, batch)]
    claimed = time.perf_counter()
    assert len(ids) == batch
    outcomes = [{"id": id, "token": str(token), "state": "succeeded"} for id in ids]
    look.rows("select * from finish(%s)", json.dumps(outcomes))
    return claimed - began, time.perf_counter() - claimed


def _p50(look: Look, rounds: int = 15) -> tuple[float, float]:
    worker = uuid.uuid4()
    look.value("select register_worker(%s, 'w', 'host', 1, '0', '{default}', 1, '1 h')", worker)
    times = [_claim_and_finish(look, worker, 50) for _ in range(rounds)]
    return statistics.median(t[0] for t in times), statistics.median(t[1] for t in times)


def _backlog(look: Look, sizes: list[int], factor: float) -> None:
    """FAULTS 29; the factor allows for the noise of a shared machine."""
    medians = []
    for size in sizes:
        _fill(look, size - look.live())
        medians.append(_p50(look))
    for place, what in enumerate(("claim", "finish")):
        fastest, slowest = min(m[place] for m in medians), max(m[place] for m in medians)
        assert slowest < fastest * factor + 0.002, f"{what} depends on the backlog: {medians}"


def test_claim_and_finish_do_not_depend_on_the_backlog(look: Look) -> None:
    _backlog(look, [1000, 30_000], factor=2.5)


@pytest.mark.slow
def test_claim_and_finish_do_not_depend_on_a_backlog_of_a_million(look: Look) -> None:
    _backlog(look, [1000, 100_000, 1_000_000], factor=1.5)


def test_jobs_for_later_do_not_stand_in_front_of_a_job_for_now(look: Look) -> None:
    """FAULTS 2: however urgent they are."""
    _fill(look, 20_000, ", run_after => interval '1 hour', priority => 100")
    job = look.value("select enqueue('bare', priority => -100)")
    worker = uuid.uuid4()
    look.value("select register_worker(%s, 'w', 'host', 1, '0', '{default}', 1, '1 h')", worker)
    began = time.perf_counter()
    assert look.value("select id from claim(%s, gen_random_uuid(), '{default}', 1)", worker) == job
    assert time.perf_counter() - began < 0.25
    (plan,) = look.value(
        "explain (analyze, buffers, format json) select id from job "
        "where state = 'ready' and rescues < 2 and queue = 'default' order by priority desc, run_at, id limit 1"
    )
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 200


async def _under_a_snapshot(app: PgQueue, look: Look, connect: Connect, jobs: int, rounds: int) -> list[float]:
    """Jobs a second in rounds of the same work, while somebody holds a snapshot from before the first."""

    @app.task
    async def bare() -> None: ...

    await burst(app)  # connections and caches are warm
    holder = connect(autocommit=False)
    holder.execute("set transaction isolation level repeatable read")
    holder.execute("select count(*) from job")
    rates = []
    for _ in range(rounds):
        _fill(look, jobs)
        began = time.perf_counter()
        await burst(app, concurrency=100)
        rates.append(jobs / (time.perf_counter() - began))
        assert look.live() == 0
    holder.rollback()
    await app.aclose()
    return rates


async def test_throughput_does_not_fall_while_a_snapshot_is_held(app: PgQueue, look: Look, connect: Connect) -> None:
    """FAULTS 26. A plain walk over dead entries loses two thirds within these rounds."""
    rates = await _under_a_snapshot(app, look, connect, jobs=6_000, rounds=5)
    assert statistics.mean(rates[-2:]) > 0.45 * max(rates[1:3]), rates


@pytest.mark.slow
async def test_throughput_does_not_fall_while_a_snapshot_is_held_for_long(app: PgQueue, look: Look, connect: Connect) -> None:
    rates = await _under_a_snapshot(app, look, connect, jobs=100_000, rounds=9)
    assert statistics.mean(rates[-3:]) >= 0.9 * statistics.mean(rates[3:6]), rates
