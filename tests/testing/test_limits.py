"""Limits in tests: checked as by any enqueue, and not waited for; a job that meets somebody else's is put off."""

from typing import Any

import psycopg
import pytest

from pgqueue import InvalidArgument, Limit, PgQueue, RateLimited, Task
from pgqueue.errors import ResultTimeout
from pgqueue.testing import adrain, drain, inline, joined, run_job


@pytest.fixture
def call(app: PgQueue) -> Task[..., str]:
    """A task with limits of every kind, that meets another as often as it is told."""
    app.limits.declare(Limit("openai", "1/d", max_running=1))
    left: list[int] = []

    @app.task(limits=["openai", "openai:{tenant}"], fair="turn:{tenant}", cost=lambda meets: meets + 1, retry=0)
    def call(tenant: int | None = 7, meets: int = 0) -> str:
        left.append(1)
        if len(left) <= meets:
            raise RateLimited(60, "openai")
        return f"tenant {tenant}"

    return call


def test_inline_runs_a_job_whatever_its_limits_allow(app: PgQueue, call: Task[..., str]) -> None:
    with inline(app):
        assert [call.enqueue(n).result() for n in range(3)] == ["tenant 0", "tenant 1", "tenant 2"]
        assert call.enqueue_many([(5,), (6,)])[1].result() == "tenant 6"


def test_inline_refuses_what_no_key_and_no_cost_can_be_made_of(app: PgQueue, call: Task[..., str]) -> None:
    with inline(app) as inlined:
        with pytest.raises(
            InvalidArgument, match=r"^limits: 'openai:\{tenant\}' is not valid; the arguments have no 'tenant', or it is null"
        ):
            call.enqueue(None)
        with pytest.raises(InvalidArgument, match=r"^cost: what its function returned for task 'call': 0 is not valid"):
            call.enqueue(1, -1)
        with pytest.raises(InvalidArgument, match=r"^fair: 'x:\{tenant.id\}'"):
            app.enqueue_many([call.using(fair="x:{tenant.id}").s(1)])
        assert inlined.jobs == []


def test_inline_a_job_that_met_a_limit_is_put_off_and_raises_nothing(app: PgQueue, call: Task[..., str]) -> None:
    with inline(app):
        job = call.enqueue(meets=1)
        assert job.status == "scheduled"
        with pytest.raises(ResultTimeout, match=r"raised RateLimited\('openai: again in 60 s'\): it is not run again"):
            job.result()


async def test_inline_in_async_code_too(app: PgQueue) -> None:
    @app.task
    async def call() -> None:
        raise RateLimited(60)

    with inline(app, raise_errors=True):
        assert (await call.aenqueue()).status == "scheduled"


def test_run_job_raises_it(call: Task[..., str]) -> None:
    with pytest.raises(RateLimited) as met:
        run_job(call, meets=1)
    assert (met.value.delay, met.value.key) == (60, "openai")


def test_drain_runs_jobs_whatever_their_limits_allow(app: PgQueue, theirs: psycopg.Connection[Any], call: Task[..., str]) -> None:
    with joined(app, theirs):
        call.enqueue_many([(1,), (1,), (1,)])
        assert [ran.result for ran in drain(app, theirs)] == ["tenant 1"] * 3


def test_what_is_drained_was_checked_when_it_was_enqueued(
    app: PgQueue, theirs: psycopg.Connection[Any], call: Task[..., str]
) -> None:
    with joined(app, theirs), pytest.raises(InvalidArgument, match=r"^limits: 'gone' is not valid; there is no such limit"):
        call.using(limits=["gone"]).enqueue()


def test_drain_puts_a_job_off_that_met_a_limit_and_counts_no_attempt(
    app: PgQueue, theirs: psycopg.Connection[Any], call: Task[..., str]
) -> None:
    with joined(app, theirs):
        job = call.enqueue(meets=2)
        (ran,) = drain(app, theirs)
        assert (ran.state, ran.runs, str(ran.error)) == ("scheduled", 1, "openai: again in 60 s")
        (ran,) = drain(app, theirs, scheduled=True)
        assert (ran.state, ran.runs, ran.result) == ("succeeded", 2, "tenant 7")
        assert job.refresh().row["attempt"] == 1
        assert job.row["errors"] is None


async def test_adrain_does_the_same(app: PgQueue, database_url: str, call: Task[..., str]) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as theirs:
        with joined(app, theirs):
            await call.aenqueue(meets=1)
            (ran,) = await adrain(app, theirs)
            assert ran.state == "scheduled"
            (ran,) = await adrain(app, theirs, scheduled=True)
            assert ran.result == "tenant 7"
        await theirs.rollback()
