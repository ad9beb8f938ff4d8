"""pgqueue retry, pgqueue cancel."""

from collections.abc import Callable

import pytest

from pgqueue import PgQueue
from pgqueue.cli.who import me

from ..looking import Look
from .conftest import Run

Work = Callable[[], None]


def test_dead_letters_run_again_under_their_own_id(run: Run, app: PgQueue, work: Work, look: Look) -> None:
    first, second = (app.tasks["fail"].enqueue(why).id for why in ("one", "two"))
    work()

    ran = run("retry", first, second)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [f"job {id} runs again" for id in (first, second)]
    assert look.count("ready") == 2
    assert {row["by"] for row in look.rows("select control->>'retried_by' as by from job")} == {me()}


def test_a_finished_job_runs_again_as_a_new_one(run: Run, app: PgQueue, work: Work, look: Look) -> None:
    done = app.tasks["add"].enqueue(1, 2).id
    work()

    (printed,) = run("retry", done, "--json").lines

    assert printed["id"] == done
    assert look.job(printed["runs_as"])["retry_of"] == done


def test_an_unknown_job_does_not_hold_up_the_others(run: Run, look: Look) -> None:
    (waiting,) = run("enqueue", "send", "--run-after", "1h", "--json").lines

    ran = run("retry", 999, waiting["id"])

    assert (ran.code, ran.err.count("\n")) == (3, 1)
    assert look.state(waiting["id"]) == "ready"


def test_waiting_jobs_are_cancelled(run: Run, look: Look) -> None:
    ids = [run("enqueue", "send", "--json").lines[0]["id"] for _ in range(2)]

    ran = run("cancel", *ids, "--json")

    assert ran.lines == [{"id": id, "state": "cancelled", "verdict": "cancelled"} for id in ids]
    assert look.count("cancelled") == 2


def test_a_running_job_is_asked_to_stop_and_then_ended_by_force(run: Run, look: Look) -> None:
    (job,) = run("enqueue", "send", "--json").lines
    look.value("select register_worker(gen_random_uuid(), 'w', 'h', 1, '0', '{default}', 1, '30 s')")
    look.rows("select id from claim((select id from worker), gen_random_uuid(), '{default}', 1)")

    asked = run("cancel", job["id"], "--note", "wrong customer", "--force-after", "1h")
    assert (asked.code, asked.out) == (0, f"job {job['id']} runs; its worker is asked to stop it\n")
    said = run("job", job["id"]).out
    assert "cancel asked for by " in said
    assert ": wrong customer; by force at " in said
    who = look.job(job["id"])["control"]["cancel"]["by"]
    assert "@" in who

    forced = run("cancel", job["id"], "--force", "--by", "ann", "--json")
    assert forced.lines == [{"id": job["id"], "state": "cancelled", "verdict": "fenced"}]
    assert look.job(job["id"])["control"]["cancel"]["by"] == "ann"
    assert "cancel asked for by ann at " in run("job", job["id"]).out


@pytest.mark.parametrize("options", [("--force-after", "soon"), ("--force", "--force-after", "1s"), ("--note", "x" * 1001)])
def test_wrong_options_of_cancel_are_bad_input(run: Run, look: Look, options: tuple[str, ...]) -> None:
    (job,) = run("enqueue", "send", "--json").lines

    ran = run("cancel", job["id"], *options)

    assert (ran.code, ran.err.count("\n"), look.state(job["id"])) == (2, 1, "ready")


def test_what_stopping_workers_did_to_a_job_is_shown(run: Run, look: Look) -> None:
    (job,) = run("enqueue", "send", "--json").lines
    look.rows("""update job set control = '{"interrupted": 3}'""")

    assert "interrupted 3 times: its worker stopped before it ended" in run("job", job["id"]).out


def test_a_job_that_is_over_cannot_be_cancelled(run: Run, app: PgQueue, work: Work) -> None:
    done = app.tasks["add"].enqueue(1, 2).id
    work()

    ran = run("cancel", done)

    assert (ran.code, ran.out) == (1, "")
    assert f"job {done} is succeeded" in ran.err


def test_without_an_id_it_is_wrong_usage(run: Run) -> None:
    assert run("cancel").code == 2
