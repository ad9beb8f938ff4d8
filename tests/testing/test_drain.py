"""drain: a test's jobs run inside its transaction, and nobody else's."""

import asyncio
from typing import Any

import psycopg
import pytest

from pgqueue import INJECTED, Cancel, Inject, JobContext, PgQueue, Retry, RetryIn, Snooze, Task
from pgqueue.errors import AlreadyFinished, PgQueueError, UnknownTask, WrongConnection
from pgqueue.testing import Ran, adrain, drain, joined
from pgqueue.tracing import request_id
from tests.looking import Look

Connection = psycopg.Connection[Any]


@pytest.fixture
def double(app: PgQueue) -> Task[[int], int]:
    """A task that is not async."""

    @app.task
    def double(number: int) -> int:
        return 2 * number

    return double


def test_jobs_run_and_nothing_is_committed(app: PgQueue, double: Task[[int], int], theirs: Connection, look: Look) -> None:
    job = double.using(connection=theirs).enqueue(21)
    assert drain(app, theirs) == [Ran(job.id, "double", "succeeded", 42)]
    assert theirs.execute("select state from jobs where id = %s", (job.id,)).fetchall() == [("succeeded",)]
    assert theirs.execute("select count(*) from worker").fetchone() == (0,)
    assert look.rows("select id from jobs") == []
    theirs.rollback()
    assert look.rows("select id from jobs") == []
    assert look.rows("select id from worker") == []


@pytest.mark.parametrize("is_async", [False, True])
def test_the_id_of_a_request_travels_as_with_a_worker(app: PgQueue, theirs: Connection, is_async: bool) -> None:
    async def awho() -> str | None:
        return request_id.get()

    def who() -> str | None:
        return request_id.get()

    task = app.task(awho if is_async else who)
    token = request_id.set("r-7")
    task.using(connection=theirs).enqueue()
    request_id.reset(token)

    assert [ran.result for ran in drain(app, theirs)] == ["r-7"]


def test_drain_again_runs_what_was_added_since(app: PgQueue, double: Task[[int], int], theirs: Connection) -> None:
    assert drain(app, theirs) == []
    for number in (1, 2):
        double.using(connection=theirs).enqueue(number)
        assert [ran.result for ran in drain(app, theirs)] == [2 * number]


def test_jobs_run_in_the_order_of_workers(app: PgQueue, double: Task[[int], int], theirs: Connection) -> None:
    for number, priority in enumerate((0, 10, -10, 10)):
        double.using(connection=theirs, priority=priority).enqueue(number)
    assert [ran.result for ran in drain(app, theirs)] == [2, 6, 0, 4]


def test_jobs_of_others_are_never_touched(app: PgQueue, double: Task[[int], int], theirs: Connection, look: Look) -> None:
    before = double.enqueue(1)
    mine = double.using(connection=theirs).enqueue(2)
    after = double.enqueue(3)
    late = double.using(run_after=0.001).enqueue(4)  # would be promoted by a worker
    others = "select job.*, xmin::text from job order by id"
    rows = look.rows(others)
    assert [ran.job_id for ran in drain(app, theirs, scheduled=True)] == [mine.id]
    assert look.rows(others) == rows
    look.value("set lock_timeout = '100ms'")
    assert [look.value("select id from job where id = %s for update", job.id) for job in (before, after, late)]


def test_a_job_of_others_that_the_test_has_changed_is_not_its_own(
    app: PgQueue, double: Task[[int], int], theirs: Connection
) -> None:
    job = double.enqueue(1)
    theirs.execute("select update(%s, priority => 50)", (job.id,))
    assert drain(app, theirs, scheduled=True) == []


def test_jobs_of_savepoints_are_the_test_s_own(app: PgQueue, double: Task[[int], int], theirs: Connection) -> None:
    theirs.execute("select 1")
    with theirs.transaction():
        double.using(connection=theirs).enqueue(1)
        with theirs.transaction():
            double.using(connection=theirs).enqueue(2)
            assert [ran.result for ran in drain(app, theirs)] == [2, 4]
            double.using(connection=theirs).enqueue(3)
        with theirs.transaction(force_rollback=True):
            double.using(connection=theirs).enqueue(4)
    assert [ran.result for ran in drain(app, theirs)] == [6]


def test_xids_are_told_apart_across_the_end_of_their_circle(app: PgQueue, theirs: Connection) -> None:
    """The expression for an xid with its epoch, for rows just before and after 2^32."""
    from pgqueue.database.calls import testing as sql

    own = sql._OWN.replace("pg_current_xact_id()::text::bigint", "%(now)s::bigint").replace(
        "xmin::text::bigint", "%(xmin)s::bigint"
    )
    full = own.partition("pg_xact_status((")[2].partition(")::text::xid8")[0]
    for now, row in [(2**32 + 5, 2**32 - 3), (2**32 - 3, 2**32 + 5), (2**33 + 7, 2**33 + 7), (1000, 900), (900, 1000)]:
        assert theirs.execute(f"select {full}", {"now": now, "xmin": row % 2**32}).fetchone() == (row,)


def test_what_handlers_enqueue_is_run_too(app: PgQueue, theirs: Connection, look: Look) -> None:
    @app.task
    def leaf(number: int) -> int:
        return number

    @app.task
    def root() -> None:
        leaf.using(connection=theirs).enqueue(1)
        leaf.enqueue(2)  # on the app's own connections, in production

    @app.task
    async def aroot() -> None:
        await leaf.aenqueue(3)

    root.using(connection=theirs).enqueue()
    aroot.using(connection=theirs).enqueue()
    assert [ran.result for ran in drain(app, theirs) if ran.task == "leaf"] == [1, 2, 3]
    assert look.rows("select id from jobs") == []


def test_a_failing_job_waits_for_its_retry_and_scheduled_runs_all_of_them(app: PgQueue, theirs: Connection) -> None:
    attempts: list[int] = []

    @app.task(retry=Retry(2, backoff="fixed", delay=3600))
    def fail(ctx: JobContext) -> None:
        attempts.append(ctx.attempt)
        raise ValueError("no")

    fail.using(connection=theirs).enqueue()
    (ran,) = drain(app, theirs)
    assert (ran.state, ran.runs, repr(ran.error), ran.result) == ("scheduled", 1, "ValueError('no')", None)
    assert drain(app, theirs) == []
    (ran,) = drain(app, theirs, scheduled=True)
    assert (ran.state, ran.runs, attempts) == ("failed", 2, [1, 2, 3])
    assert theirs.execute("select jsonb_array_length(errors) from dead_letter").fetchone() == (3,)


def test_what_is_for_later_runs_when_scheduled_says_so(app: PgQueue, double: Task[[int], int], theirs: Connection) -> None:
    double.using(connection=theirs, run_after=3600).enqueue(1)
    double.using(connection=theirs).enqueue(2)
    assert [ran.result for ran in drain(app, theirs)] == [4]
    assert [ran.result for ran in drain(app, theirs, scheduled=True)] == [2]


def test_handlers_may_cancel_snooze_and_ask_for_a_retry(app: PgQueue, theirs: Connection) -> None:
    answers = iter([Snooze(60), RetryIn(60), Cancel("enough")])

    @app.task
    def answer() -> Any:
        return next(answers)

    answer.using(connection=theirs).enqueue()
    assert [ran.state for ran in drain(app, theirs)] == ["scheduled"]
    (ran,) = drain(app, theirs, scheduled=True)
    assert (ran.state, ran.runs, ran.error) == ("cancelled", 2, None)


def test_a_job_that_enqueues_itself_for_ever_meets_the_limit(app: PgQueue, theirs: Connection) -> None:
    runs: list[int] = []

    @app.task
    def again() -> None:
        runs.append(1)
        again.enqueue()

    again.using(connection=theirs).enqueue()
    with pytest.raises(PgQueueError, match=r"^limit: 5 runs were not enough, job \d+ of task 'again' is next; .*raise limit="):
        drain(app, theirs, limit=5)
    assert len(runs) == 5


def test_a_limit_that_is_just_enough_is_enough(app: PgQueue, double: Task[[int], int], theirs: Connection) -> None:
    double.using(connection=theirs).enqueue_many([(1,), (2,)])
    assert len(drain(app, theirs, limit=2)) == 2


def test_a_transaction_that_a_handler_broke_goes_on(app: PgQueue, double: Task[[int], int], theirs: Connection) -> None:
    @app.task(retry=0)
    def broken() -> None:
        theirs.execute("create temporary table half (id int)")
        theirs.execute("select 1 / 0")

    broken.using(connection=theirs).enqueue()
    double.using(connection=theirs).enqueue(1)
    one, two = drain(app, theirs)
    assert (one.state, type(one.error), two.result) == ("failed", psycopg.errors.DivisionByZero, 2)
    assert theirs.execute("select to_regclass('half')").fetchone() == (None,)


def test_what_a_handler_wrote_before_it_raised_stays(app: PgQueue, theirs: Connection) -> None:
    @app.task(retry=0)
    def halfway() -> None:
        theirs.execute("create temporary table half (id int)")
        raise ValueError

    halfway.using(connection=theirs).enqueue()
    assert [ran.state for ran in drain(app, theirs)] == ["failed"]
    assert theirs.execute("select to_regclass('half') is not null").fetchone() == (True,)


def test_a_transaction_of_the_context_is_a_savepoint(app: PgQueue, theirs: Connection, look: Look) -> None:
    theirs.execute("create temporary table note (id int)")

    @app.task(retry=0)
    def note(ctx: JobContext, number: int, fails: bool = False) -> None:
        with ctx.transaction() as tx:
            tx.connection.execute("insert into note values (%s)", (number,))
            tx.result = number
            if fails:
                raise ValueError
        with pytest.raises(AlreadyFinished):
            ctx.progress(1)

    note.using(connection=theirs).enqueue(1)
    note.using(connection=theirs).enqueue(2, fails=True)
    assert [(ran.state, ran.result) for ran in drain(app, theirs)] == [("succeeded", 1), ("failed", None)]
    assert theirs.execute("select id from note").fetchall() == [(1,)]
    assert theirs.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    assert look.rows("select id from jobs") == []


def test_progress_is_told_on_the_test_s_connection(app: PgQueue, theirs: Connection) -> None:
    seen: list[Any] = []

    @app.task
    def work(ctx: JobContext) -> None:
        ctx.progress(1, 2, "half")
        seen.append(theirs.execute("select progress->>'note' from job").fetchone())

    @app.task
    async def awork(ctx: JobContext) -> None:
        await ctx.aprogress(1, 2, "more")
        seen.append(theirs.execute("select progress->>'note' from job where id = %s", (ctx.id,)).fetchone())

    work.using(connection=theirs).enqueue()
    drain(app, theirs)
    awork.using(connection=theirs).enqueue()
    drain(app, theirs)
    assert seen == [("half",), ("more",)]


def test_an_async_handler_s_transaction_needs_an_async_connection(app: PgQueue, theirs: Connection) -> None:
    @app.task(retry=0)
    async def write(ctx: JobContext) -> None:
        async with ctx.transaction():
            pass

    write.using(connection=theirs).enqueue()
    (ran,) = drain(app, theirs)
    assert isinstance(ran.error, WrongConnection)
    assert str(ran.error).endswith("use adrain (or arun_job) with a psycopg AsyncConnection")


def test_middleware_and_injected_values_are_there(app: PgQueue, theirs: Connection) -> None:
    seen: list[str] = []

    @app.around_execution
    async def around(job: JobContext) -> Any:
        await asyncio.sleep(0)
        seen.append(f"before {job.task}")
        yield
        seen.append("after")

    @app.task
    def use(text: Inject[str] = INJECTED) -> str:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return text

    @app.task
    async def ause(text: Inject[str] = INJECTED) -> str:
        return text

    use.using(connection=theirs).enqueue()
    ause.using(connection=theirs).enqueue()
    assert [ran.result for ran in drain(app, theirs, values=("value",))] == ["value", "value"]
    assert seen == ["before use", "after", "before ause", "after"]


def test_a_task_that_the_app_does_not_have_is_named(app: PgQueue, theirs: Connection) -> None:
    theirs.execute("select enqueue('misspelled')")
    with pytest.raises(UnknownTask, match="misspelled"):
        drain(app, theirs)


def test_a_connection_without_a_transaction_is_refused(app: PgQueue, connection: Connection) -> None:
    with pytest.raises(WrongConnection, match=r"^connection: it is not in a transaction; begin one that your test rolls back$"):
        drain(app, connection)
    assert connection.execute("select count(*) from worker").fetchone() == (0,)


async def test_connections_of_the_other_kind_of_code_are_refused(app: PgQueue, theirs: Connection) -> None:
    with pytest.raises(WrongConnection):
        await adrain(app, theirs)
    with pytest.raises(WrongConnection):
        drain(app, 5)


async def test_an_async_handler_in_async_code_needs_adrain(app: PgQueue, theirs: Connection) -> None:
    @app.task
    async def handler() -> None: ...

    handler.using(connection=theirs).enqueue()
    with pytest.raises(PgQueueError, match="in async code use aenqueue, arun_job or adrain"):
        drain(app, theirs)


def test_an_outcome_of_the_test_leaves_the_handler(app: PgQueue, theirs: Connection) -> None:
    @app.task
    def handler() -> None:
        pytest.fail("in the handler")

    handler.using(connection=theirs).enqueue()
    with pytest.raises(pytest.fail.Exception, match="in the handler"):
        drain(app, theirs)


def test_an_app_that_joined_a_connection_needs_no_url(theirs: Connection, look: Look) -> None:
    app = PgQueue()

    @app.task
    def double(number: int) -> int:
        return 2 * number

    with joined(app, theirs):
        job = double.enqueue(4)
        assert double.find_duplicate(4) is None
        drain(app, theirs)
        assert job.result(timeout=0) == 8
    assert look.rows("select id from jobs") == []
    assert "database" not in app.__dict__
