"""pgqueue signal, and what pgqueue job shows of steps and signals."""

from collections.abc import Callable

import pytest

from pgqueue import JobContext, PgQueue
from tests.looking import Look

from .conftest import Run

Work = Callable[[], None]


@pytest.fixture
def waiting(app: PgQueue, work: Work) -> int:
    """A job that has done a step and waits."""

    @app.task(retry=0)
    async def ship(ctx: JobContext, timeout: float) -> list[object]:
        reserved = await ctx.step("reserve", dict, seat=4)
        return [reserved, await ctx.wait_for("approved", timeout)]

    job = ship.enqueue(3600)
    work()
    return job.id


def test_a_job_is_told_and_goes_on(run: Run, app: PgQueue, work: Work, waiting: int) -> None:
    ran = run("signal", waiting, "approved", '{"by": "ann"}')
    assert (ran.code, ran.out) == (0, f"job {waiting} has signal 'approved'\n")

    work()

    assert app.job(waiting).result(timeout=0) == [{"seat": 4}, {"by": "ann"}]


def test_the_second_signal_is_told_that_it_changes_nothing(run: Run, waiting: int) -> None:
    assert run("signal", waiting, "approved", "--json").lines == [{"id": waiting, "signal": "approved", "stored": True}]

    ran = run("signal", waiting, "approved", "2")

    assert ran.code == 1
    assert ran.out.endswith("already, or does not wait for it any more; nothing was changed\n")


def test_a_job_shows_its_steps_and_what_it_waits_for(run: Run, waiting: int) -> None:
    ran = run("job", waiting)

    assert "signal: it waits for the signal 'approved' until 20" in ran.out
    assert "reserve" in ran.out
    assert '{"seat": 4}' in ran.out
    (row,) = run("job", waiting, "--json").lines
    assert [(step["name"], step["attempt"]) for step in row["steps"]] == [("reserve", 1)]
    assert [(signal["name"], signal["ended_at"]) for signal in row["signals"]] == [("approved", None)]
    assert row["control"]["waits_for"]["signal"] == "approved"

    run("signal", waiting, "approved", "7")
    out = run("job", waiting).out
    assert ("waits for the signal" in out, "has come" in out) == (False, True)


def test_a_signal_that_did_not_come_is_shown_so(run: Run, look: Look, work: Work, waiting: int) -> None:
    look.rows("update job_signal set until = until - interval '1 day'")
    look.rows("update job set run_at = run_at - interval '1 day'")
    work()

    assert "timed out" in run("job", waiting).out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("1", "approved", "{"), 2, "payload: '{' is not JSON"),
        (("1", "approved", '{"a": 1, "a": 2}'), 2, "the key 'a' is given twice"),
        (("1", ""), 2, "name: '' is not valid; use a text of 1 to 200 characters"),
        (("1", "\udc80"), 2, "name: '\\udc80' is not valid; it holds half of a surrogate pair"),
        (("99999999999999999999", "approved"), 2, "id: 99999999999999999999 is not valid; use an id"),
        (("4711", "approved"), 3, "there is no job 4711"),
    ],
    ids=["no JSON", "a key twice", "no name", "no text", "no id", "no job"],
)
def test_what_is_no_signal_is_refused_in_one_line(run: Run, arguments: tuple[str, ...], code: int, says: str) -> None:
    ran = run("signal", *arguments)

    assert (ran.code, says in ran.err, ran.err.count("\n")) == (code, True, 1)


def test_a_job_that_is_over_is_told_nothing(run: Run, app: PgQueue, waiting: int) -> None:
    app.cancel(waiting)

    ran = run("signal", waiting, "approved")

    assert (ran.code, "only a job that is not over takes signals" in ran.err) == (1, True)
