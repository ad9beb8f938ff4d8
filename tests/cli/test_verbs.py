"""pgqueue retry, pgqueue cancel."""

from collections.abc import Callable

from pgqueue import PgQueue

from ..looking import Look
from .conftest import Run

Work = Callable[[], None]


def test_dead_letters_run_again_under_their_own_id(run: Run, app: PgQueue, work: Work, look: Look) -> None:
    first, second = (app.tasks["fail"].enqueue(why).id for why in ("one", "two"))
    work()

    ran = run("retry", first, second)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [f"job {id} runs again as job {id}" for id in (first, second)]
    assert look.count("ready") == 2


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

    assert ran.lines == [{"id": id, "state": "cancelled"} for id in ids]
    assert look.count("cancelled") == 2


def test_a_job_that_is_over_cannot_be_cancelled(run: Run, app: PgQueue, work: Work) -> None:
    done = app.tasks["add"].enqueue(1, 2).id
    work()

    ran = run("cancel", done)

    assert (ran.code, ran.out) == (1, "")
    assert f"job {done} is succeeded" in ran.err


def test_without_an_id_it_is_wrong_usage(run: Run) -> None:
    assert run("cancel").code == 2
