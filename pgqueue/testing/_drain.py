"""Running the jobs of a test inside its transaction: with the rules of SQL, on the test's own connection.

The steps are generators, as in `pgqueue.transaction.ending`: the same code for sync and async.
"""

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._steps import Steps, adrive, drive
from ..context import JobContext
from ..database.calls import manage as manage_calls
from ..database.calls import testing as sql
from ..errors import PgQueueError, ResultExpired, ResultWithheld, WrongConnection
from ..registry import Registered, Registry
from ..worker.outcome import failure
from ..worker.parents import give_parents
from ._call import Caller, Ended
from ._connection import AsyncGivenConnection, GivenConnection, GivenServices, redirected
from ._inline import given_parents


@dataclass(frozen=True, slots=True)
class Ran:
    """A job that was run.

    Attributes:
        job_id: the id of the job.
        task: the name of its task.
        state: the state after its last run: succeeded, failed, cancelled, or scheduled and ready if it runs again or waits for a
            signal.
        result: its result, passed through JSON and its annotation; None unless it succeeded.
        error: the exception of its last run; None if there is none.
        runs: the number of its runs.
    """

    job_id: int
    task: str
    state: str
    result: Any = None
    error: Exception | None = None
    runs: int = 1


def drain(app: Registry, connection: Any, *, scheduled: bool = False, limit: int = 1000, values: Iterable[Any] = ()) -> list[Ran]:
    """Run the jobs that the transaction of this connection has added, until no job is left; nothing is committed.

    It uses the functions that workers call, so nodes of workflows run in their order, with the results of their parents; nodes
    that a handler adds to its workflow run too. Jobs of other transactions are not touched. The enqueue checks limits, but no job
    waits for them; a job that raises `RateLimited` runs again as if it had returned a `Snooze`. Handlers run in this thread,
    async handlers on their own loop, and all their calls of the app (enqueue, progress, results) use this connection.
    `ctx.transaction()` gives a savepoint in it, if the driver is psycopg. Callbacks (`on_success`, …) are not called.

    Args:
        app: the app with the tasks.
        connection: in the test's transaction; a psycopg Connection, a SQLAlchemy Session or Connection, or a Django connection.
        scheduled: also run jobs that are not due yet, and so all retries; not those that wait for a signal.
        limit: the largest number of runs.
        values: the values that the lifespan would yield, for parameters annotated `Inject[T]`.

    Returns:
        The jobs that were run, in the order of their first runs. They hold the exceptions of handlers, which are not raised.

    Raises:
        PgQueueError: jobs are left after `limit` runs.
        UnknownTask: the app does not have the task of a job.
        WrongConnection: `connection` is not of a supported kind, or is not in a transaction.
    """
    given = GivenConnection(app, connection)
    draining = Draining(given, Caller(app, values))
    with redirected(given):
        ran: list[Ran] = drive(draining.drain(scheduled, limit))
    return ran


async def adrain(
    app: Registry, connection: Any, *, scheduled: bool = False, limit: int = 1000, values: Iterable[Any] = ()
) -> list[Ran]:
    """`drain` for async code.

    Args:
        connection: a psycopg AsyncConnection, a SQLAlchemy AsyncSession or AsyncConnection, an asyncpg Connection. With asyncpg,
            also under SQLAlchemy, there is no `ctx.transaction()`. Handlers that are not async run in a thread.
    """
    given = AsyncGivenConnection(app, connection)
    draining = Draining(given, Caller(app, values))
    with redirected(given):
        ran: list[Ran] = await adrive(draining.drain(scheduled, limit))
    return ran


class Draining:
    """Runs jobs on a connection.

    Args:
        given: the connection.
        caller: calls the handlers.
    """

    def __init__(self, given: GivenConnection | AsyncGivenConnection, caller: Caller) -> None:
        self._given, self._app, self._services = given, given.app, GivenServices(given, caller.values)
        self._run: Any = given.run if isinstance(given, GivenConnection) else given.arun
        self._end: Any = caller.end if isinstance(given, GivenConnection) else caller.aend
        self._worker = str(uuid.uuid4())

    def drain(self, scheduled: bool, limit: int) -> Steps:
        """Run all jobs. Returns a list of Ran."""
        ran: dict[int, Ran] = {}
        yield from self.register()
        for _ in range(limit):
            found = yield self._run(sql.next_job(scheduled, None))
            if found is None:
                break
            one = yield from self._run_found(found)
            before = ran.get(one.job_id)
            ran[one.job_id] = Ran(one.job_id, one.task, one.state, one.result, one.error, before.runs + 1 if before else 1)
        else:
            yield from self._assert_done(scheduled, limit)
        yield self._run(sql.retire(self._worker))
        return list(ran.values())

    def register(self) -> Steps:
        """Register as a worker, inside this transaction."""
        if (yield self._run(sql.transaction_id())) != (yield self._run(sql.transaction_id())):
            raise WrongConnection("connection: it is not in a transaction; begin one that your test rolls back")
        from .. import __version__

        yield self._run(sql.register(self._worker, os.getpid(), __version__))

    def run_one(self, job_id: int, parents: Mapping[str, Any] | None = None) -> Steps:
        """Run this job, even if it is not due, with these parents. Returns its context and the end of its handler."""
        found = yield self._run(sql.next_job(True, job_id))
        job, _, ended = yield from self._handle(found, parents)
        yield self._run(sql.retire(self._worker))
        return job, ended

    def _run_found(self, found: tuple[int, str, str]) -> Steps:
        job, task, ended = yield from self._handle(found)
        state, text = yield self._run(sql.standing(job.id))
        result = None if text is None else task.parameters.load_result(json.loads(text))
        error = ended.error if isinstance(ended.error, Exception) else None
        return Ran(job.id, task.name, state, result, error)

    def _handle(self, found: tuple[int, str, str], parents: Mapping[str, Any] | None = None) -> Steps:
        job_id, name, state = found
        task = self._app.registered(name)
        if state == "scheduled":
            yield self._run(manage_calls.retry(job_id))  # makes it due at once
        token = str(uuid.uuid4())
        (row,) = yield self._run(sql.claim_job(self._worker, token, job_id))
        job = JobContext(token, *row, self._services)  # type: ignore[call-arg]
        if job.node is not None:
            rows = yield self._run(sql.parents(job_id))
            try:
                give_parents(job, rows, self._app.tasks)
            except (ResultExpired, ResultWithheld) as error:  # it fails for good, as in a worker
                lost = failure(job, error, 0.0, reason="system_error", final=True)
                yield self._run(sql.finish(job_id, lost.json, None))
                return job, task, Ended(None, error)
        elif parents is not None:
            job.node = given_parents(parents)
        ended = yield from self._within_savepoint(job, task)
        outcome = ended.outcome(job, task)
        if outcome is not None:
            yield self._run(sql.finish(job_id, outcome.json, outcome.nodes))
        return job, task, ended

    def _within_savepoint(self, job: JobContext, task: Registered[Any]) -> Steps:
        """Run a handler. If it breaks the transaction, roll back to the savepoint; else its writes stay, as if committed."""
        yield self._given.execute("savepoint pgqueue_run")
        ended: Ended = yield self._end(job, task)
        try:
            # No release: if the handler has committed a session, this may have released its savepoint, with ours inside.
            yield self._given.execute("select 1")
        except Exception:  # an error of any driver: "current transaction is aborted"
            yield self._given.execute("rollback to savepoint pgqueue_run")
        return ended

    def _assert_done(self, scheduled: bool, limit: int) -> Steps:
        left = yield self._run(sql.next_job(scheduled, None))
        if left is not None:
            raise PgQueueError(
                f"limit: {limit} runs were not enough, job {left[0]} of task {left[1]!r} is next; "
                "does a handler enqueue its own task endlessly? If not, raise limit="
            )
