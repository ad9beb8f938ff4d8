"""A task: a registered function, and the ways to enqueue calls of it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ._checks import Duration, Priority
from ._json import dumps
from ._text import shortened
from .database import Call
from .database.calls import enqueue as enqueue_calls
from .database.calls.enqueue import Added
from .errors import InvalidArgument
from .job import Job
from .limits.cost import Cost, CostFunction
from .limits.keys import check_limits, completed, limiting, limiting_all, named_in_keys
from .limits.limit import Limit
from .options import DependsOn, Expires, Options, RunIf, SoftTimeoutOption, given, listed
from .registry import Arguments, Registered, Registry
from .retry import Retry
from .tracing.sending import Sending, sending
from .unique import Unique, UniqueMode
from .watching.said import Level
from .workflow.canvas import Group, Signature

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
Adding = tuple[Call[list[Added]], Any]  # and the connection to run it on
_PERCENT = re.compile(r"%%|%\(\w+\)s|(?P<lone>%.{0,20})", re.DOTALL)


class Task(Registered[R], Generic[P, R]):
    """A registered function. Calling it runs the function here and now; `enqueue` lets a worker run it.

    Attributes:
        name: under which jobs refer to it.
        function: the handler.
        options: with which its jobs are enqueued.
        parameters: its arguments and its result, by their type hints.
        executor: where it runs: async, thread or process.
    """

    def __init__(
        self,
        registry: Registry,
        name: str,
        function: Callable[P, Any],
        options: Options,
        executor: str | None = None,
        raise_soft_timeout: bool = False,
        log: bool | Level = False,
    ) -> None:
        super().__init__(registry, name, function, options, executor, raise_soft_timeout, log)
        self.__doc__ = function.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        return self.function(*args, **kwargs)

    def using(
        self,
        *,
        queue: str | None = None,
        priority: Priority | None = None,
        run_at: datetime | None = None,
        run_after: Duration | None = None,
        retry: Retry | int | None = None,
        result_ttl: Duration | None = None,
        meta: Any = None,
        unique: Unique | UniqueMode | None = None,
        connection: Any = None,
        depends_on: "DependsOn | None" = None,
        run_if: RunIf | None = None,
        limits: Iterable[str | Limit] | None = None,
        fair: str | None = None,
        cost: Cost | None = None,
        notify: bool | None = None,
        timeout: Duration | None = None,
        soft_timeout: SoftTimeoutOption | None = None,
        expires: Expires | None = None,
        total_timeout: Duration | None = None,
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
            unique: when two calls are the same job: a `Unique`, or one of its modes.
            connection: a connection of yours: the job is part of its transaction. pgqueue neither commits nor rolls back, and
                does not change its settings. For `enqueue` a psycopg Connection, a SQLAlchemy Session, scoped_session or
                Connection, or a Django connection; for `aenqueue` a psycopg AsyncConnection, a SQLAlchemy AsyncSession,
                async_scoped_session or AsyncConnection, or an asyncpg Connection (from `connect` or from a pool).
            depends_on: one or several jobs, by handle or id: this job waits until they have ended. They become one workflow; jobs
                of two workflows cannot share a child. In chains, groups and `app.workflow` the edges are defined there.
            run_if: the condition: all of them "succeeded" (default), "finished" with any outcome, or "failed".
                Otherwise the job is cancelled and does not run.
            limits: the keys of limits that must all let it start, `["openai", "tenant:{tenant_id}"]`; {name} stands for that
                argument, {name.inner} for what is in it. They replace those of the decorator, but for `rate_limit` and
                `max_running`. A Limit must be declared already, by the app or in a decorator: workers do not see this call.
            fair: a key, as in `limits`; the jobs of such keys take turns.
            cost: tokens that a start takes from each limit, 1 or more; 1 by default. Or a function that takes arguments of the
                task by name; it is called at each enqueue.
            notify: False wakes no worker: workers find the job with their next poll, within about a second. For transactions
                that you prepare yourself (`PREPARE TRANSACTION`), which PostgreSQL refuses after a wake-up. If one call adds
                several jobs, one False applies to all of them.
            timeout: seconds (or timedelta) that one run may take; then it is ended and fails with reason timeout. 0 = no limit.
            soft_timeout: seconds (or timedelta) after which a warning is logged, or a share of the timeout such as "80%", which
                is the default if there is a timeout. 0 = no warning.
            expires: a time with a time zone, or seconds (or timedelta) from when the job is due: if it has not started by then,
                it is cancelled with reason expired. 0 = never.
            total_timeout: seconds (or timedelta) from when the job is due, for all its runs and the waits in between; then it
                fails for good with reason timeout. 0 = no limit.

        Raises:
            InvalidArgument: an option is out of range, or a key names an argument that the task does not have.
            ConfigurationError: a Limit is not declared, or is declared with other values.
        """
        limits = listed(limits)
        changed = given(
            {
                "queue": queue,
                "priority": priority,
                "run_at": run_at,
                "run_after": run_after,
                "retry": retry,
                "result_ttl": result_ttl,
                "meta": meta,
                "unique": unique,
                "connection": connection,
                "depends_on": depends_on,
                "run_if": run_if,
                "limits": limits,
                "fair": fair,
                "cost": cost,
                "notify": notify,
                "timeout": timeout,
                "soft_timeout": soft_timeout,
                "expires": expires,
                "total_timeout": total_timeout,
            }
        )
        clone: Task[P, R] = Task.__new__(Task)
        clone.__dict__.update(self.__dict__, options=replace(self.options, **changed))
        if clone.options.is_limited:
            check_limits(self.name, self.parameters, clone.options)
            self._app.limits.assert_declared(limits or ())
        return clone

    @overload
    def s(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]: ...
    @overload
    def s(self: "Task[Concatenate[Any, Q], R]", *args: Q.args, **kwargs: Q.kwargs) -> Signature[R]: ...
    def s(self, *args: Any, **kwargs: Any) -> Signature[R]:
        """A call of this task that is not enqueued yet, for `app.enqueue_many`, chains, groups and workflows.

        Behind a parent the call takes the parent's result (behind several the list of theirs) as its first argument, before
        those that are given here: leave it out, as in `chain(fetch.s(url), parse.s(pages=3))`. An argument given by name is not
        the one; then the next is.

        Raises:
            InvalidArgument: the arguments do not fit the function, with a result before them or without.
        """
        return Signature(self, self.parameters.bind_part(args, kwargs), self.options, positional=len(args))

    def si(self, *args: P.args, **kwargs: P.kwargs) -> Signature[R]:
        """`s` for a call that takes no parent's result: all of its arguments are given here.

        Raises:
            InvalidArgument: the arguments do not fit the function.
        """
        return Signature(self, self.parameters.bind(args, kwargs), self.options, immutable=True)

    def map(self, items: Iterable[Any]) -> Group[R]:
        """A group with one call for each item, which is its first argument.

        Raises:
            InvalidArgument: there are none, or one does not fit the function.
        """
        return self.starmap((item,) for item in items)

    def starmap(self, arguments: Iterable[Arguments]) -> Group[R]:
        """A group with one call for each tuple (or mapping) of arguments, as in `enqueue_many`.

        Raises:
            InvalidArgument: there are none, one does not fit the function, or is neither tuple nor mapping.
        """
        parts = self.parameters.bind_part
        return Group(
            tuple(
                Signature(self, parts(given, {}), self.options, positional=len(given))
                if isinstance(given, tuple)
                else Signature(self, parts((), self._by_name(given, place)), self.options)
                for place, given in enumerate(arguments)
            )
        )

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Add a job that calls this task with these arguments.

        Returns:
            Its handle; of a unique task whose job is there already, the handle of that job, with `duplicate` set.

        Raises:
            InvalidArgument: the arguments do not fit the function, or are too large.
            WrongConnection: `connection` is none of those that work.
        """
        bound = self.parameters.bind(args, kwargs)
        if self._app.inline:
            job: Job[R] = self._app.inline.enqueue(self, bound)
            return job
        with self._adding(bound) as (call, connection):
            return self._jobs(self._app.database.run(call, connection))[0]

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """`enqueue` for async code."""
        bound = self.parameters.bind(args, kwargs)
        if self._app.inline:
            job: Job[R] = await self._app.inline.aenqueue(self, bound)
            return job
        with self._adding(bound) as (call, connection):
            return self._jobs(await self._app.async_database.run(call, connection))[0]

    def enqueue_many(self, arguments: Iterable[Arguments]) -> list[Job[R]]:
        """Add a job for each tuple (or mapping) of arguments: one statement, all or nothing.

        Args:
            arguments: for example `[(1,), (2,)]` or `[{"user_id": 1}, …]`; tens of thousands a call are fine.

        Raises:
            InvalidArgument: some arguments do not fit the function, are too large, or are neither tuple nor mapping; the message
                says which. Nothing is enqueued.
        """
        bound = self._bound(arguments)
        if self._app.inline:
            jobs: list[Job[R]] = self._app.inline.enqueue_many(self, bound)
            return jobs
        with self._adding_many(bound) as (call, connection):
            return self._jobs(self._app.database.run(call, connection))

    async def aenqueue_many(self, arguments: Iterable[Arguments]) -> list[Job[R]]:
        """`enqueue_many` for async code."""
        bound = self._bound(arguments)
        if self._app.inline:
            jobs: list[Job[R]] = await self._app.inline.aenqueue_many(self, bound)
            return jobs
        with self._adding_many(bound) as (call, connection):
            return self._jobs(await self._app.async_database.run(call, connection))

    def enqueue_select(self, query: str, params: Mapping[str, Any] | None = None, *, connection: Any = None) -> int:
        """Add a job for each row of a query, in one statement; no row passes through Python.

        Args:
            query: a SELECT; each of its columns is an argument of the task, by name. A percent sign is written %%.
            params: values of its %(name)s parameters.
            connection: as in `using`. The query runs with its rights and in its transaction; it sees what that has written.

        Returns:
            How many jobs were added; duplicates of unique ones are not. Keys are made of what the query says: a number or a time
            that `enqueue` spells otherwise (1.50, a time zone) is another key.

        Raises:
            InvalidArgument: the columns do not fit the function, a row's arguments are too large, or the query has a % that is
                neither %% nor a parameter. The types of arguments are looked at when the jobs run.
        """
        with self._sending(self.options) as sent:
            call = self._selecting(query, params, sent)
            return self._app.database.run(call, self.options.connection if connection is None else connection)

    async def aenqueue_select(self, query: str, params: Mapping[str, Any] | None = None, *, connection: Any = None) -> int:
        """`enqueue_select` for async code."""
        with self._sending(self.options) as sent:
            call = self._selecting(query, params, sent)
            return await self._app.async_database.run(call, self.options.connection if connection is None else connection)

    def find_duplicate(self, *args: P.args, **kwargs: P.kwargs) -> Job[R] | None:
        """The job of which this call would be a duplicate; None if there is none. The job may have ended in the meantime."""
        return self._found(self._app.database.run(self._finding(self.si(*args, **kwargs)), self.options.connection))

    async def afind_duplicate(self, *args: P.args, **kwargs: P.kwargs) -> Job[R] | None:
        """`find_duplicate` for async code."""
        return self._found(await self._app.async_database.run(self._finding(self.si(*args, **kwargs)), self.options.connection))

    def _bound(self, arguments: Iterable[Arguments]) -> list[dict[str, Any]]:
        bind = self.parameters.bind
        return [
            bind(given, {}) if isinstance(given, tuple) else bind((), self._by_name(given, place))
            for place, given in enumerate(arguments)
        ]

    @contextmanager
    def _adding(self, bound: dict[str, Any]) -> Iterator[Adding]:
        with self._app.enqueuing(self.name, bound, self.options) as given, self._sending(given.options) as sent:
            options = given.options
            if options.unique:
                job = Signature(self, given.args, options).to_json(sent.trace)
                yield sent.noting(enqueue_calls.enqueue_jobs([job], options.held_for)), options.connection
                return
            with self._app.waking(options) as notify:
                args = self.parameters.dump(completed(self.parameters, options, given.args))
                limits, times = limiting(self, options, args), options.to_times()
                call = enqueue_calls.enqueue(self.name, args, options.to_sql(), notify, limits, times, sent.trace)
                yield sent.noting(call), options.connection

    @contextmanager
    def _adding_many(self, bound: list[dict[str, Any]]) -> Iterator[Adding]:
        with self._app.enqueuing(self.name, bound, self.options) as given, self._sending(given.options) as sent:
            options = given.options
            if options.unique or isinstance(options.cost, CostFunction):  # what each job has of its own
                jobs = [Signature(self, args, options).to_json(sent.trace) for args in given.args]
                yield sent.noting(enqueue_calls.enqueue_jobs(jobs, options.held_for)), options.connection
                return
            with self._app.waking(options) as notify:
                each = given.args
                if options.is_limited:
                    each = [completed(self.parameters, options, one) for one in each]
                args = self.parameters.dump_many(each)
                limits, times = limiting_all(self, options, "enqueue_many"), options.to_times()
                call = enqueue_calls.enqueue_many(self.name, args, options.to_sql(), notify, limits, times, sent.trace)
                yield sent.noting(call), options.connection

    def _sending(self, options: Options) -> AbstractContextManager[Sending]:
        return sending(self.name, options.queue)

    def _by_name(self, given: Arguments, place: int) -> Mapping[str, Any]:
        if not isinstance(given, Mapping):
            what = f"args: task {self.name!r}: {shortened(given)} at place {place}"
            raise InvalidArgument(f'{what} is not valid; give a tuple or a mapping, for example (1,) or {{"user_id": 1}}')
        return given

    def _selecting(self, query: str, params: Mapping[str, Any] | None, sent: Sending) -> Call[int]:
        for lone in filter(None, (found["lone"] for found in _PERCENT.finditer(query))):
            # Some drivers would refuse it, others take it for a percent sign.
            raise InvalidArgument(f"query: {lone!r} is not valid; write %% for a percent sign, %(name)s for a parameter")
        options, required = self.options, self.parameters.required | named_in_keys(self.options)
        names = dumps({"known": sorted(self.parameters.names), "required": sorted(required)})
        limits = limiting_all(self, options, "enqueue_select")
        unique, times = options.to_unique(), options.to_times()
        call = enqueue_calls.enqueue_select(
            self.name, names, query, params or {}, options.to_sql(), unique, options.notify, limits, times, sent.trace
        )
        return sent.noting(call)

    def _finding(self, signature: Signature[R]) -> Call[int | None]:
        unique = replace(self.options, unique=self.options.unique or Unique()).to_unique()
        return enqueue_calls.find_duplicate(self.name, signature.args_json(), unique)

    def _found(self, id: int | None) -> Job[R] | None:
        return None if id is None else Job(self._app, id, self.parameters, duplicate=True)

    def _jobs(self, added: list[Added]) -> list[Job[R]]:
        return [Job(self._app, id, self.parameters, duplicate) for id, duplicate in added]

    def __repr__(self) -> str:
        return f"Task({self.name!r})"
