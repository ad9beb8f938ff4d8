"""drain, run_job and travel with steps and signals: the rules of SQL, in the transaction of the test."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from pgqueue import JobContext, PgQueue, SignalTimeout
from pgqueue.errors import OutsideWorker
from pgqueue.steps.waits import Waits
from pgqueue.testing import drain, joined, run_job, travel

Connection = psycopg.Connection[Any]


@pytest.fixture(params=["async", "thread"])
def order(request: pytest.FixtureRequest, app: PgQueue) -> Any:
    """A task that does a step and waits for a signal."""

    def reserve(number: int) -> list[int]:
        return [number]

    async def in_loop(ctx: JobContext, number: int) -> Any:
        reserved = await ctx.step("reserve", reserve, number)
        try:
            return [reserved, await ctx.wait_for("approved", timeout=3600)]
        except SignalTimeout:
            return "too late"

    def in_thread(ctx: JobContext, number: int) -> Any:
        reserved = ctx.step("reserve", reserve, number)
        try:
            return [reserved, ctx.wait_for("approved", timeout=3600)]
        except SignalTimeout:
            return "too late"

    return app.task(name="order", retry=0)(in_loop if request.param == "async" else in_thread)


@pytest.mark.parametrize("scheduled", [False, True])
def test_a_job_waits_until_the_test_sends_the_signal(app: PgQueue, order: Any, theirs: Connection, scheduled: bool) -> None:
    with joined(app, theirs):
        job = order.enqueue(7)
        (ran,) = drain(app, theirs, scheduled=scheduled)
        assert (ran.state, ran.error) == ("scheduled", None)

        assert app.signal(job, "approved", "yes") is True

        (ran,) = drain(app, theirs, scheduled=scheduled)
        assert (ran.state, ran.result) == ("succeeded", [[7], "yes"])


def test_the_time_of_a_wait_passes(app: PgQueue, order: Any, theirs: Connection) -> None:
    order.using(connection=theirs).enqueue(7)
    drain(app, theirs)
    travel(app, theirs, timedelta(minutes=59))
    assert drain(app, theirs) == []

    travel(app, theirs, timedelta(minutes=2))

    assert [ran.result for ran in drain(app, theirs)] == ["too late"]


def test_run_job_raises_the_wait_and_without_a_database_there_are_no_steps(order: Any, theirs: Connection) -> None:
    with pytest.raises(Waits, match="the job waits for signal 'approved'"):
        run_job(order, 7, connection=theirs)
    with pytest.raises(OutsideWorker, match=r"ctx\.a?step"):
        run_job(order, 7)


def test_a_step_in_a_transaction_is_a_savepoint_of_the_test(app: PgQueue, theirs: Connection) -> None:
    theirs.execute("create table written (job_id bigint)")

    def write(connection: Connection, id: int) -> int:
        connection.execute("insert into written values (%s)", [id])
        return id

    @app.task(retry=0)
    def work(ctx: JobContext) -> int:
        return ctx.step_in_transaction("write", write, ctx.id)

    job = work.using(connection=theirs).enqueue()
    assert [ran.result for ran in drain(app, theirs)] == [job.id]
    assert theirs.execute("select job_id from written").fetchall() == [(job.id,)]
