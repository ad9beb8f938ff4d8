"""Rows whose times Python cannot hold, written by hand or by an older version: no list, command or worker fails over them."""

import json
from datetime import UTC, datetime

import pytest

from pgqueue import PgQueue
from tests.looking import Look
from tests.worker.conftest import burst

from .conftest import Run, named

FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize(
    ("time", "read"), [("infinity", LAST), ("20000-1-1", LAST), ("-infinity", FIRST), ("1000-1-1 BC", FIRST)]
)
def test_every_list_shows_a_row_whose_time_python_cannot_hold(
    app: PgQueue, run: Run, look: Look, monkeypatch: pytest.MonkeyPatch, time: str, read: datetime, zone: str
) -> None:
    monkeypatch.setenv("PGTZ", zone)
    far, near = named(app, "far").enqueue(), named(app, "near").enqueue()
    look.rows("update job set run_at = %s::timestamptz, created_at = %s::timestamptz where id = %s", time, time, far.id)

    listed = [json.loads(line) for line in run("jobs", "--json").out.splitlines()]
    assert {row["task"]: row["run_at"] for row in listed}["far"] == read.isoformat()
    job = ("job", str(far.id))
    for command in (("jobs",), job, (*job, "--json"), ("stats",), ("stats", "--json"), ("dead",), ("workers",)):
        ran = run(*command)
        assert (ran.code, ran.err) == (0, ""), command
    assert f"{read.year}-" in run("job", str(far.id)).out
    assert [app.job(id).refresh().status for id in (far.id, near.id)] == ["ready", "ready"]


async def test_a_worker_runs_a_job_that_has_been_due_since_ever(app: PgQueue, look: Look) -> None:
    far = named(app, "far").enqueue()
    look.rows("update job set run_at = '-infinity', created_at = '-infinity' where id = %s", far.id)
    await burst(app)
    assert look.value("select state::text from jobs where id = %s", far.id) == "succeeded"
    await app.aclose()


def test_a_result_that_is_kept_for_ever_can_be_asked_about(app: PgQueue, run: Run, look: Look) -> None:
    job = named(app, "far").enqueue()
    look.rows(
        "insert into job_history (id, run_at, created_at, finished_at, state, priority, attempt, max_attempts, rescues, queue, "
        "task, args) select id, run_at, created_at, clock_timestamp(), 'succeeded', 0, 1, 4, 0, queue, task, args from job"
    )
    look.rows("delete from job")
    look.rows("insert into job_result values (%s, '1', 'infinity')", job.id)
    assert job.result(timeout=0) == 1
    assert run("job", str(job.id)).code == 0
    assert (job.result_ttl() or 0) > 0
