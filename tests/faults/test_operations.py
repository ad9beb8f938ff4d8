"""An operation survives whoever has asked for it, and those who carry it on."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from tests.faults.fleet import Fleet
from tests.looking import Look
from tests.waiting import until

JOBS = 20_000
ASK = "import sys; from pgqueue import PgQueue; PgQueue(sys.argv[1]).jobs(queue='later').cancel(reason='a test').result()"


def scheduled(look: Look, count: int = JOBS) -> None:
    """So many jobs that wait in a queue which no worker serves."""
    look.rows("select count(*) from enqueue_many('noop', (select jsonb_agg('{}'::jsonb) from generate_series(1, %s)), "
              "queue => 'later', run_after => interval '1 day')", count)  # fmt: skip


def done(look: Look) -> int:
    """How many jobs the operation has acted on."""
    return int(look.value("select coalesce(max(done), 0) from operations"))


def test_when_the_process_that_asked_is_killed_half_way_the_workers_finish(database_url: str, fleet: Fleet, look: Look) -> None:
    """Each job once."""
    scheduled(look)
    asking = subprocess.Popen([sys.executable, "-c", ASK, database_url])
    try:
        until(lambda: 0 < done(look) < JOBS, "a part of the jobs")
    finally:
        asking.kill()
        asking.wait()
    assert done(look) < JOBS
    fleet.start()

    until(lambda: look.value("select state from operations") == "done", "the end of the operation", 60)

    assert look.rows("select matched, did, skipped, failed from operations") == [
        {"matched": JOBS, "did": {"cancelled": JOBS}, "skipped": 0, "failed": 0}
    ]
    assert look.value("select count(distinct id) from job_history") == JOBS
    assert look.value("select count(*) from job_history") == JOBS


def test_when_a_worker_is_killed_in_the_middle_another_one_goes_on(app: PgQueue, fleet: Fleet, look: Look) -> None:
    scheduled(look)
    first = fleet.start(name="first")
    fleet.listening(1)
    app.jobs(queue="later").cancel()
    until(lambda: 0 < done(look) < JOBS, "a part of the jobs")
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert done(look) < JOBS
    fleet.start(name="second")

    until(lambda: look.value("select state from operations") == "done", "the end of the operation", 60)

    assert look.value("select did from operations") == {"cancelled": JOBS}
    assert look.value("select count(*) from job_history") == JOBS


def test_two_workers_share_operations_and_hold_up_nobody(
    app: PgQueue, fleet: Fleet, look: Look, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    """Others who change the same jobs wait for a step, which is short."""
    scheduled(look)
    ids = [row["id"] for row in look.rows("select id from job order by random() limit 500")]
    for name in ("first", "second"):
        fleet.start(name=name)
    fleet.listening(2)
    app.jobs(queue="later").update(priority=5)
    other, waits = connect(), []
    for id in ids:
        began = time.monotonic()
        other.execute("select update(%s, run_after => '2 days')", [id])
        waits.append(time.monotonic() - began)

    until(lambda: look.value("select state from operations") == "done", "the end of the operation", 60)

    assert look.value("select did from operations") == {"updated": JOBS}
    assert max(waits) < 1.0, max(waits)
    assert look.value("select count(*) from job where priority = 5") == JOBS


@pytest.mark.slow
def test_a_hundred_thousand_jobs_are_cancelled_within_a_minute(app: PgQueue, fleet: Fleet, look: Look) -> None:
    scheduled(look, 100_000)
    fleet.start()
    fleet.listening(1)
    began = time.monotonic()
    app.jobs(queue="later").cancel()

    until(lambda: look.value("select state from operations") == "done", "the end of the operation", 60)

    print(f"{time.monotonic() - began:.1f} s")
    assert look.value("select did from operations") == {"cancelled": 100_000}
