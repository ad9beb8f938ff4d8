"""pgqueue job ID --logs [--follow]."""

import asyncio

import pytest

from pgqueue import JobContext, PgQueue
from pgqueue.worker import Worker, WorkerOptions

from ..looking import Look
from .conftest import Run, Start


@pytest.fixture
def job_id(app: PgQueue) -> int:
    """A job that has said three lines."""

    @app.task
    async def work(ctx: JobContext) -> None:
        ctx.log("fetched \x1b[31m", rows=12)
        ctx.log("slow", level="warning")
        ctx.log("done")

    job = work.enqueue()
    asyncio.run(Worker(app, WorkerOptions(burst=True, handle_signals=False)).run())
    return job.id


def test_the_lines_of_a_job_are_shown_with_level_and_fields(run: Run, job_id: int) -> None:
    ran = run("job", job_id, "--logs")
    lines = ran.out.splitlines()
    assert ran.code == 0
    assert [line[20:] for line in lines] == ["info     fetched \\x1b[31m  rows=12", "warning  slow", "info     done"]


def test_lines_that_are_gone_are_counted(run: Run, job_id: int, look: Look) -> None:
    look.rows("delete from job_log where seq < 3")
    assert run("job", job_id, "--logs").out.splitlines()[0] == "… 2 lines are not kept"


def test_lines_as_json(run: Run, job_id: int) -> None:
    first, *_ = run("job", job_id, "--logs", "--json").lines
    assert first["message"] == "fetched \x1b[31m"
    assert (first["seq"], first["level"], first["fields"], first["attempt"]) == (1, "info", {"rows": 12}, 1)


def test_following_a_job_that_is_over_ends_with_its_state(run: Run, job_id: int) -> None:
    assert run("job", job_id, "--logs", "--follow").out.splitlines()[-1] == "succeeded"
    *lines, last = run("job", job_id, "--follow", "--json").lines
    assert [line["line"]["message"] for line in lines][1:] == ["slow", "done"]
    assert (last["kind"], last["state"]) == ("state", "succeeded")


def test_a_job_is_followed_until_it_is_over(start: Start, run: Run, look: Look) -> None:
    """What it says, reports and becomes, while a worker of another process runs it."""
    start("pgqueue", "worker", "tests.cli.said:app", "--concurrency", "1").says("wake-ups by notify")
    id = look.value("select enqueue('tell', run_at => clock_timestamp() + interval '2 s')")
    ran = run("job", str(id), "--follow")
    out = ran.out.splitlines()
    assert ran.code == 0
    assert out[-1] == "succeeded"
    assert out[0] == "scheduled"
    assert "running, attempt 1" in out
    assert "progress 1 of 2: half" in out
    assert any(line.endswith("hello") for line in out)


def test_a_job_without_lines_says_so_and_one_that_does_not_exist_is_an_error(run: Run, look: Look) -> None:
    id = look.value("select enqueue('tell')")
    assert run("job", str(id), "--logs").out == f"no log of job {id}\n"
    ran = run("job", "1000000", "--logs")
    assert (ran.code != 0, ran.err.startswith("pgqueue: there is no job 1000000; ")) == (True, True)
