"""A task: a registered function, and the ways to enqueue calls of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar

from ._json import dumps
from ._signature import Signature
from .database import calls
from .errors import InvalidArgument
from .job import Job
from .retry import Retry

if TYPE_CHECKING:
    from .app import PgQueue

P = ParamSpec("P")
R = TypeVar("R")
Priority = int | Literal["low", "medium", "high"]
Arguments = tuple[Any, ...] | Mapping[str, Any]

_PRIORITIES = {"low": -50, "medium": 0, "high": 50}


@dataclass(frozen=True, slots=True)
class Options:
    """How a call is enqueued; see `Task.using`."""

    queue: str = "default"
    priority: int = 0
    run_at: datetime | None = None
    run_after: timedelta | None = None
    retry: Retry | None = None
    result_ttl: timedelta | None = None
    meta: Any = None
    connection: Any = None

    def to_sql(self) -> calls.EnqueueOptions:
        policy = self.retry.policy() if self.retry else None
        return calls.EnqueueOptions(
            queue=self.queue,
            priority=self.priority,
            run_at=self.run_at.isoformat() if self.run_at else None,
            run_after=_interval(self.run_after),
            retries=self.retry.retries if self.retry else None,
            retry=dumps(policy) if policy else None,
            result_ttl=_interval(self.result_ttl),
            meta=None if self.meta is None else dumps(self.meta),
        )


class Task(Generic[P, R]):
    """A registered function. Calling it runs the function here and now; `enqueue` lets a worker run it.

    Attributes:
        name: under which jobs refer to it.
        function: the handler.
        options: with which its jobs are enqueued.
    """

    def __init__(self, app: "PgQueue", name: str, function: Callable[P, Any], options: Options) -> None:
        self._app = app
        self.name = name
        self.function = function
        self.options = options
        self.signature = Signature(name, function)
        self.__doc__ = function.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        return self.function(*args, **kwargs)

    def using(
        self,
        *,
        queue: str | None = None,
        priority: Priority | None = None,
        run_at: datetime | None = None,
        run_after: timedelta | float | None = None,
        retry: Retry | int | None = None,
        result_ttl: timedelta | float | None = None,
        meta: Any = None,
        connection: Any = None,
    ) -> "Task[P, R]":
        """The same task with other options; None leaves an option as it is.

        Args:
            queue: letters, digits and . _ : - ; "default" unless the task says otherwise.
            priority: -100 to 100, larger runs first; low = -50, medium = 0, high = 50.
            run_at: not before this time, with a time zone.
            run_after: not before this many seconds (or timedelta) from now.
            retry: a policy, or a number of retries with the default backoff.
            result_ttl: seconds (or timedelta) to keep the result; 24 hours by default.
            meta: any JSON value; the handler finds it in `JobContext.meta`.
            connection: one of yours, to PostgreSQL: the job is part of its transaction. pgqueue neither commits nor rolls back,
                and leaves its settings alone. For `enqueue` a psycopg Connection, a SQLAlchemy Session, scoped_session or
                Connection, or a Django connection; for `aenqueue` a psycopg AsyncConnection, a SQLAlchemy AsyncSession,
                async_scoped_session or AsyncConnection, or an asyncpg Connection (from `connect` or from a pool).

        Raises:
            InvalidArgument: an option is out of range.
        """
        given = options(queue, priority, run_at, run_after, retry, result_ttl, meta, connection)
        clone: Task[P, R] = Task.__new__(Task)
        clone.__dict__.update(self.__dict__, options=replace(self.options, **given))
        return clone

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Add a job that calls this task with these arguments.

        Raises:
            InvalidArgument: the arguments do not fit the function, or are not JSON.
        """
        with self._app.waking(self.options) as notify:
            call = calls.enqueue(self.name, self._args(args, kwargs), self.options.to_sql(), notify)
            return Job(self._app, self._app.database.run(call, self.options.connection))

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """`enqueue` for async code."""
        with self._app.waking(self.options) as notify:
            call = calls.enqueue(self.name, self._args(args, kwargs), self.options.to_sql(), notify)
            return Job(self._app, await self._app.async_database.run(call, self.options.connection))

    def enqueue_many(self, arguments: Iterable[Arguments]) -> list[Job[R]]:
        """Add a job for each tuple (or mapping) of arguments: one statement, all or nothing.

        Args:
            arguments: for example `[(1,), (2,)]` or `[{"user_id": 1}, …]`; tens of thousands a call are fine.

        Raises:
            InvalidArgument: some arguments do not fit the function, or are not JSON; nothing is enqueued.
        """
        with self._app.waking(self.options) as notify:
            call = calls.enqueue_many(self.name, self._many(arguments), self.options.to_sql(), notify)
            return [Job(self._app, id) for id in self._app.database.run(call, self.options.connection)]

    async def aenqueue_many(self, arguments: Iterable[Arguments]) -> list[Job[R]]:
        """`enqueue_many` for async code."""
        with self._app.waking(self.options) as notify:
            call = calls.enqueue_many(self.name, self._many(arguments), self.options.to_sql(), notify)
            return [Job(self._app, id) for id in await self._app.async_database.run(call, self.options.connection)]

    def _args(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        return self._dump(self.signature.bind(args, kwargs))

    def _many(self, arguments: Iterable[Arguments]) -> str:
        bind = self.signature.bind
        return self._dump([bind(a, {}) if isinstance(a, tuple) else bind((), a) for a in arguments])

    def _dump(self, arguments: Any) -> str:
        try:
            return dumps(arguments)
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"args: task {self.name!r} takes what JSON can hold: {error}") from None

    def __repr__(self) -> str:
        return f"Task({self.name!r})"


def options(
    queue: str | None = None,
    priority: Priority | None = None,
    run_at: datetime | None = None,
    run_after: timedelta | float | None = None,
    retry: Retry | int | None = None,
    result_ttl: timedelta | float | None = None,
    meta: Any = None,
    connection: Any = None,
) -> dict[str, Any]:
    """The options that were given, in the form of `Options`."""
    if run_at is not None and run_at.tzinfo is None:
        raise InvalidArgument(f"run_at: {run_at.isoformat()} has no time zone; use datetime.now(UTC) or .astimezone()")
    if isinstance(priority, str) and priority not in _PRIORITIES:
        raise InvalidArgument(f"priority: {priority!r} is not valid; use {', '.join(_PRIORITIES)} or -100 to 100")
    given = {
        "queue": queue,
        "priority": _PRIORITIES[priority] if isinstance(priority, str) else priority,
        "run_at": run_at,
        "run_after": _duration(run_after),
        "retry": Retry(retry) if isinstance(retry, int) else retry,
        "result_ttl": _duration(result_ttl),
        "meta": meta,
        "connection": connection,
    }
    return {name: value for name, value in given.items() if value is not None}


def _duration(value: timedelta | float | None) -> timedelta | None:
    return timedelta(seconds=value) if isinstance(value, int | float) else value


def _interval(value: timedelta | None) -> str | None:
    return None if value is None else f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"
