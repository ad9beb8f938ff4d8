"""Run jobs in place of the enqueue: for tests of code that enqueues, without a database."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any, NoReturn

from ..context import JobContext
from ..database.calls.results import ResultRow
from ..database.statement import Statements
from ..errors import PgQueueError, ResultTimeout
from ..job import Job
from ..limits.keys import assert_filled, limiting
from ..options import Options
from ..outcomes import Cancel, RateLimited, RetryIn, Snooze
from ..registry import Registered, Registry
from ..waiting.listener import Waiting
from ..worker.describe import describe
from ..workflow.canvas import Signature
from ..workflow.node import Node, Parent, Parents
from ._call import Caller, Ended

Bound = dict[str, Any]
Prepared = list[tuple[JobContext, Registered[Any]]]
_DATABASES = ("database", "async_database")  # attributes of the app that hold its connections


@contextmanager
def inline(app: Registry, *, values: Iterable[Any] = (), raise_errors: bool = True) -> Iterator["Inline"]:
    """Run the handler at once when the app enqueues; nothing is stored, and no database is needed.

    Arguments and results pass through JSON and their type hints, middleware runs, and jobs that handlers enqueue run inline, too.
    Each job has one run: there are no retries and no waits for times or limits, and options that PostgreSQL checks (queues,
    uniqueness) are not checked. The keys and the cost of limits are computed as usual. All other calls that need the database,
    such as `enqueue_select`, raise PgQueueError.

    Args:
        app: the app; all its enqueues inside the block run inline, in any thread.
        values: the values that the lifespan would yield, for parameters annotated `Inject[T]`.
        raise_errors: True: the enqueue raises the exception of the handler; False: `result()` raises JobFailed.

    Yields:
        An `Inline`, whose `jobs` are the jobs that were run.

    Example:
        with inline(app):
            assert welcome.enqueue(5).result() == "hello 5"
    """
    before, kept = app.inline, {name: app.__dict__.pop(name) for name in _DATABASES if name in app.__dict__}
    app.inline = Inline(app, values, raise_errors)
    try:
        why = "inline(): this needs the database; use a connection of the test and drain"
        app.__dict__.update(database=NoDatabase(why), async_database=NoAsyncDatabase(why))
        yield app.inline
    finally:
        app.inline = before
        for name in _DATABASES:
            app.__dict__.pop(name, None)
        app.__dict__.update(kept)


class NoDatabase:
    """Replaces the object that runs calls.

    Args:
        why: the message of the error for each call.
    """

    def __init__(self, why: str) -> None:
        self._why = why

    def run(self, call: Any, connection: Any = None, wait: float | None = None) -> NoReturn:
        """Refuse."""
        raise PgQueueError(self._why)

    def close(self) -> None:
        """Nothing is open."""


class NoAsyncDatabase:
    """`NoDatabase` for async code."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def run(self, call: Any, connection: Any = None, wait: float | None = None) -> NoReturn:
        """Refuse."""
        raise PgQueueError(self._why)

    async def close(self) -> None:
        """Nothing is open."""


class InlineJob(Job[Any]):
    """A handle on a job that was run inline; its id counts from 1 within the block.

    Attributes:
        args: its arguments, decoded from JSON.
        ended: the end of its handler.
    """

    __slots__ = ("_ended_as", "args", "ended")

    def __init__(self, context: JobContext, task: Registered[Any], ended: Ended, row: ResultRow) -> None:
        super().__init__(_StubApp(task.name, context.id), context.id, task.parameters)  # type: ignore[arg-type]
        self.args, self.ended, self._ended_as = context.args, ended, row
        self._row = {
            "id": context.id,
            "task": task.name,
            "queue": context.queue,
            "state": row.state,
            "reason": row.reason,
            "args": context.args,
            "priority": context.priority,
            "attempt": context.attempt,
            "max_attempts": context.max_attempts,
            "meta": context.meta,
            "errors": [row.error] if row.error else None,
            "elapsed": row.elapsed,
            "progress": None,
        }

    def refresh(self) -> Job[Any]:
        """Return the job; it has not changed since it ran."""
        return self

    async def arefresh(self) -> Job[Any]:
        """`refresh` for async code."""
        return self

    def result(self, timeout: float | None = None) -> Any:
        """The result of the handler, at once; see `Job.result`."""
        if not self._ended(self._ended_as):
            ended = f"raised {self.ended.error!r}" if self.ended.error else f"returned {self.ended.result!r}"
            raise ResultTimeout(f"job {self.id} was run inline and {ended}: it is not run again")
        return self._value(self._ended_as)

    async def aresult(self, timeout: float | None = None) -> Any:
        """`result` for async code."""
        return self.result()


class _StubApp:
    """Replaces the app in the handle of a job that is not in the database."""

    def __init__(self, task: str, id: int) -> None:
        self.parameters: dict[str, Any] = {}
        why = f"job {id} ({task!r}) was run inline and is not in the database"
        self.database, self.async_database = NoDatabase(why), NoAsyncDatabase(why)
        self.waiting = Waiting(str, lambda: Statements(""))


class Inline:
    """Runs the jobs that an app would enqueue.

    Attributes:
        jobs: the jobs that were run, in the order in which they ended.
    """

    def __init__(self, app: Registry, values: Iterable[Any], raise_errors: bool) -> None:
        self._app, self._raise_errors = app, raise_errors
        self._caller = Caller(app, values)
        self._ids = count(1)
        self.jobs: list[InlineJob] = []

    def enqueue(self, task: Registered[Any], bound: Bound) -> InlineJob:
        """Replaces `Task.enqueue`."""
        return self._run(self._prepared(task, bound, task.options))[0]

    async def aenqueue(self, task: Registered[Any], bound: Bound) -> InlineJob:
        """Replaces `Task.aenqueue`."""
        return (await self._arun(self._prepared(task, bound, task.options)))[0]

    def enqueue_many(self, task: Registered[Any], bound: list[Bound]) -> list[Job[Any]]:
        """Replaces `Task.enqueue_many`."""
        return [*self._run(self._prepared(task, bound, task.options))]

    async def aenqueue_many(self, task: Registered[Any], bound: list[Bound]) -> list[Job[Any]]:
        """Replaces `Task.aenqueue_many`."""
        return [*await self._arun(self._prepared(task, bound, task.options))]

    def enqueue_each(self, signatures: Sequence[Signature[Any]]) -> list[Job[Any]]:
        """Replaces `PgQueue.enqueue_many`."""
        return [*self._run(self._prepared_each(signatures))]

    async def aenqueue_each(self, signatures: Sequence[Signature[Any]]) -> list[Job[Any]]:
        """Replaces `PgQueue.aenqueue_many`."""
        return [*await self._arun(self._prepared_each(signatures))]

    def _prepared(self, task: Registered[Any], args: Bound | list[Bound], options: Options) -> Prepared:
        """The jobs of one call, after its middleware. They run after the middleware, as with a database."""
        with self._app.enqueuing(task.name, args, options) as call:
            given: list[Bound] = call.args if isinstance(args, list) else [call.args]
            return [(self._context(Signature(task, one, call.options)), task) for one in given]

    def _prepared_each(self, signatures: Sequence[Signature[Any]]) -> Prepared:
        return [self._prepared(one.task, one.args, one.options)[0] for one in signatures]

    def _context(self, signature: Signature[Any]) -> JobContext:
        args = signature.args_json()
        limiting(signature.task, signature.options, args)
        assert_filled(signature.options, args)
        return made_context(signature.task.name, args, signature.options, id=next(self._ids))

    def _run(self, prepared: Prepared) -> list[InlineJob]:
        return [self._job(job, task, self._caller.end(job, task)) for job, task in prepared]

    async def _arun(self, prepared: Prepared) -> list[InlineJob]:
        return [self._job(job, task, await self._caller.aend(job, task)) for job, task in prepared]

    def _job(self, job: JobContext, task: Registered[Any], ended: Ended) -> InlineJob:
        try:
            row = _row(job, task, ended)
        except (TypeError, ValueError) as error:  # the result has no JSON form
            ended = Ended(None, error)
            row = _row(job, task, ended)
        self.jobs.append(handle := InlineJob(job, task, ended, row))
        if self._raise_errors and not isinstance(ended.error, RateLimited):
            ended.value()
        return handle


def made_context(task: str, args_json: str, options: Options, *, id: int = 1, attempt: int = 1) -> JobContext:
    """The context of a job that is not in a database."""
    now, given = datetime.now(UTC), options.to_sql()
    most = (3 if given.retries is None else given.retries) + 1
    token = str(uuid.uuid4())
    return JobContext(token, id, given.queue, task, args_json, attempt, max(most, attempt), given.priority, now, now, given.meta)


def given_parents(parents: Mapping[str, Any]) -> Node:
    """A node with these parents: a `Parent` is used unchanged, any other value is the result of a parent that succeeded."""
    node = Node("{}")
    node.parents = Parents(
        {
            name: given if isinstance(given, Parent) else Parent(place, name, name, result=given)
            for place, (name, given) in enumerate(parents.items(), 1)
        }
    )
    return node


def _row(job: JobContext, task: Registered[Any], ended: Ended) -> ResultRow:
    """The state and the result of the job, as a row of the SQL function `result`."""

    def row(state: str, *, reason: str | None = None, value: Any = None, error: Any = None) -> ResultRow:
        return ResultRow(state, reason, value, False, error, task.name, None, 0.0)

    if isinstance(ended.error, RateLimited):
        return row("scheduled")
    if ended.error is not None:
        return row("failed", reason="error", error=describe(ended.error))
    if isinstance(ended.result, Snooze | RetryIn):
        return row("scheduled")
    if isinstance(ended.result, Cancel):
        return row("cancelled", reason="user_requested")
    text = task.dump_result(ended.result)
    return row("succeeded", value=None if text is None else json.loads(text))
