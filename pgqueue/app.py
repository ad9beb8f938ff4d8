"""The app: settings, the tasks, and the connections of this process."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, Unpack, overload

from ._checks import Duration, Priority, invalid, read_id
from .check import check_configuration, check_limit_names, check_owner, check_version
from .chunk import chunk_task
from .codec.callables import assert_handler, stored_name, unversioned
from .config import load_settings
from .context import JobContext
from .control.audit import HasAudit
from .control.cancel import CancelControl
from .control.dead_letters import DeadLetterControl
from .control.doctor import DoctorControl
from .control.filters import FilterFields, filter_json
from .control.jobs import Jobs
from .control.metrics import HasMetrics
from .control.operations import HasOperations
from .control.pools import Pools
from .control.queues import QueueControl
from .control.workers import Workers
from .database import Call
from .database.calls import enqueue as enqueue_calls
from .database.calls import install as install_calls
from .database.calls import limits as limit_calls
from .database.calls.enqueue import Added
from .database.connection import open_connection
from .errors import ConfigurationError, InvalidArgument
from .executor import Executor
from .hooks import Hooks
from .job import Job
from .limits.cost import Cost
from .limits.keys import check_limits
from .limits.limit import Limit, own_limit
from .middleware import async_context_maker
from .options import Expires, Options, SoftTimeoutOption, given, listed
from .registry import CHUNK
from .retry import Retry
from .schedules.schedule import own_schedule
from .schedules.schedules import Schedules
from .steps.signals import Signals
from .task import Task
from .unique import Unique, UniqueMode
from .waiting.as_completed import AsCompleted
from .watching.said import Level
from .workflow.builder import WorkflowBuilder
from .workflow.canvas import Part, Signature, sending_all, the_connection
from .workflow.workflow import Workflow

P = ParamSpec("P")
R = TypeVar("R")
AddingMany = tuple[list[Signature[Any]], Call[list[Added]], Any]  # and the connection to run it on


class Register(Protocol):
    """What `task` with options returns: it takes the function, with or without a JobContext first, async or not."""

    @overload
    def __call__(self, function: Callable[Concatenate[JobContext, P], Awaitable[R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[JobContext, P], R], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


class PgQueue(Signals, HasOperations, HasMetrics, HasAudit, QueueControl, CancelControl, DeadLetterControl, DoctorControl, Hooks):
    """A job queue in one schema of one database.

    Args:
        database_url: postgresql://…, or embedded: to try things out; PGQUEUE_DATABASE_URL otherwise.
        schema: the schema pgqueue is installed in; "pgqueue", or PGQUEUE_SCHEMA.
        lifespan: an async generator function of the app that opens what handlers share and yields it: one value or a tuple,
            taken by parameters annotated `Inject[T]`. Each worker enters it on its event loop before the first job and leaves
            it after the last.
        limits: declares them, as `app.limits.declare` does.
        settings: any other field of `Settings`.

    Nothing connects before the first call that needs the database.

    Attributes:
        limits: declares limits, and changes and shows them at run time.
        pools: makes pools of workers, and changes and shows them at run time.
        schedules: declares schedules, and changes and shows them at run time.
        workers: tells workers to drain or to restart.
        inline: runs what is enqueued at once, in tests: see `pgqueue.testing.inline`; None = it is enqueued.

    Raises:
        ConfigurationError: a setting is wrong, or two limits of one name differ.
        InvalidArgument: limits is no list of Limit.
    """

    def __init__(
        self,
        database_url: str | None = None,
        *,
        schema: str | None = None,
        lifespan: Callable[["PgQueue"], Any] | None = None,
        limits: Iterable[Limit] = (),
        **settings: Any,
    ) -> None:
        super().__init__(load_settings(database_url=database_url, schema_name=schema, **settings))
        self.lifespan = async_context_maker(lifespan, "lifespan") if lifespan else None
        self.tasks: dict[str, Task[..., Any]] = {}
        self.chunk_task = chunk_task(self)
        self.pools = Pools(self)
        self.schedules = Schedules(self, self.assert_open)
        self.workers = Workers(self)
        if isinstance(limits, str) or not isinstance(limits, Iterable):
            raise invalid("limits", limits, "use a list of Limit, for example [Limit('openai', rate='60/m')]")
        for limit in limits:
            self.limits.declare(limit)

    @overload
    def task(self, function: Callable[Concatenate[JobContext, P], Awaitable[R]], /) -> Task[P, R]: ...
    @overload
    def task(self, function: Callable[Concatenate[JobContext, P], R], /) -> Task[P, R]: ...
    @overload
    def task(self, function: Callable[P, Awaitable[R]], /) -> Task[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        version: int | str | None = None,
        queue: str = "default",
        priority: Priority = 0,
        retry: Retry | int | None = None,
        result_ttl: Duration | None = None,
        unique: Unique | UniqueMode | None = None,
        executor: Executor | None = None,
        raise_soft_timeout: bool = False,
        log: bool | Level = False,
        rate_limit: str | None = None,
        max_running: int | None = None,
        limits: Iterable[str | Limit] | None = None,
        fair: str | None = None,
        cost: Cost | None = None,
        timeout: Duration | None = None,
        soft_timeout: SoftTimeoutOption | None = None,
        expires: Expires | None = None,
        total_timeout: Duration | None = None,
        cron: str | Iterable[str] | None = None,
        timezone: str | None = None,
    ) -> Register: ...
    def task(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        version: int | str | None = None,
        queue: str | None = None,
        priority: Priority | None = None,
        retry: Retry | int | None = None,
        result_ttl: Duration | None = None,
        unique: Unique | UniqueMode | None = None,
        executor: Executor | None = None,
        raise_soft_timeout: bool = False,
        log: bool | Level = False,
        rate_limit: str | None = None,
        max_running: int | None = None,
        limits: Iterable[str | Limit] | None = None,
        fair: str | None = None,
        cost: Cost | None = None,
        timeout: Duration | None = None,
        soft_timeout: SoftTimeoutOption | None = None,
        expires: Expires | None = None,
        total_timeout: Duration | None = None,
        cron: str | Iterable[str] | None = None,
        timezone: str | None = None,
    ) -> Any:
        """Register a function as a task, with or without options.

        Args:
            function: `async def` runs on the worker's event loop, `def` in a thread.
            name: under which jobs refer to it; the function's name by default. A lambda, a partial or an object needs one.
            version: 1 to 9999, or a short word: its jobs are stored as "name@2" and run only where this version is registered;
                an app may register several. None by default.
            queue: its queue; "default".
            priority: -100 to 100, larger runs first; low = -50, medium = 0 (default), high = 50.
            retry: a policy, or a number of retries; 3 with exponential backoff by default.
            result_ttl: seconds (or timedelta) to keep results, up to 1,000 years; 24 hours by default.
            unique: when two calls are the same job: a `Unique`, or one of its modes; not unique by default.
            executor: "process" runs a `def` in another process, for work that keeps a CPU busy or may crash; that process
                imports the function's module. By default the kind of the function decides: "async" or "thread".
            raise_soft_timeout: raise `SoftTimeout` in the handler at its soft timeout; only for async handlers. Off by default.
            log: keep what the handler logs by standard logging in the log of its job: True = info and above, or a level.
            rate_limit: how often it starts, "100/m", in all workers together; see `Limit`, whose name is "task:" and its own.
            max_running: how many of its jobs run at once, in all workers together.
            limits, fair, cost: as in `Task.using`; a Limit declares itself here.
            timeout, soft_timeout, expires, total_timeout: as in `Task.using`; the first two are by default those of the app.
            cron, timezone: declare a `Schedule` with the name of the task, which calls it without arguments.

        Raises:
            ConfigurationError: the function is no handler or has no name, the name is taken, a parameter of the function cannot
                be stored by name, the executor cannot run the function, a key names an argument that it does not have, a Limit
                or a schedule was declared with other values, or a worker of this app has started.
            InvalidArgument: an option is out of range.
        """
        if result_ttl is None:
            result_ttl = self.settings.result_ttl
        if soft_timeout is None and not _is_shorter(timeout, self.settings.soft_timeout):
            soft_timeout = self.settings.soft_timeout
        if timeout is None:
            timeout = self.settings.timeout
        limits = listed(limits)
        options = given(
            {
                "queue": queue,
                "priority": priority,
                "retry": retry,
                "result_ttl": result_ttl,
                "unique": unique,
                "limits": limits,
                "fair": fair,
                "cost": cost,
                "timeout": timeout,
                "soft_timeout": soft_timeout,
                "expires": expires,
                "total_timeout": total_timeout,
            }
        )

        def register(handler: Callable[..., Any]) -> Task[..., Any]:
            if isinstance(handler, Task):
                raise ConfigurationError(f"task: {handler.name!r} is already a task; use its function, {handler.name}.function")
            assert_handler(handler)
            its_name = stored_name(handler, name, version)
            own = own_limit(unversioned(its_name), rate_limit, max_running)
            its_options = Options(**options, own_limit=own.name if own else None)
            task: Task[..., Any] = Task(self, its_name, handler, its_options, executor, raise_soft_timeout, log)
            return self._register(task, [*(limits or ()), *([own] if own else ())], cron, timezone)

        return register if function is None else register(function)

    def _register(
        self, task: Task[..., Any], limits: list[str | Limit], cron: str | Iterable[str] | None, timezone: str | None
    ) -> Task[..., Any]:
        self.assert_open(f"task {task.name!r}")
        if task.name in self.tasks or task.name == CHUNK:
            raise ConfigurationError(f"task: {task.name!r} is already registered; give one of them another name=")
        try:
            check_limits(task.name, task.parameters, task.options)
        except InvalidArgument as error:
            raise ConfigurationError(str(error)) from None
        if schedule := own_schedule(task, cron, timezone):
            self.schedules.declare(schedule)
        for limit in limits:
            if isinstance(limit, Limit):
                self.limits.declare(limit)
        self.tasks[task.name] = task
        self.parameters[task.name] = task.parameters
        return task

    def check(self, *, database: bool = True) -> None:
        """Check settings, tasks and the database without starting anything: for a deployment's first step, or a test.

        Args:
            database: also connect and look whether the schema and the limits of tasks are there; True by default.

        Raises:
            ConfigurationError: a setting, a task or one of its limits is wrong; all that are wrong are named.
            DatabaseNotConfigured: there is no database URL.
            NotMigrated: the schema has no pgqueue of this version.
            psycopg.OperationalError: the database does not answer.
        """
        check_configuration(self)
        if database:
            with open_connection(self.url, "pgqueue check") as connection:
                name = self.settings.schema_name
                check_owner(self.database.run(install_calls.foreign_owner(name), connection), name)
                check_version(self.database.run(install_calls.installed_version(), connection), name)
                if any(task.options.limits for task in self.tasks.values()):
                    check_limit_names(self, self.database.run(limit_calls.limit_status(), connection))

    def job(self, job_id: int) -> Job[Any]:
        """A handle on a job by its id; the job is not looked up yet."""
        return Job(self, read_id("job_id", job_id))

    def jobs(self, text: str | None = None, /, **filter: Unpack[FilterFields]) -> Jobs:
        """The jobs that a filter describes, such as `state="failed", task="mail.*"`; none = all. Nothing is looked up yet.

        Args:
            text: fields as one text, such as "state:failed task:mail.*", see docs/filters.md; the same as `q`.
            filter: fields; a job must match the text and these.
        """
        return Jobs(self, filter_json(filter if text is None else {**filter, "q": text}))

    def enqueue_many(self, signatures: Iterable[Signature[Any]], *, connection: Any = None) -> list[Job[Any]]:
        """Add jobs of any tasks, each with its own options: one statement, all or nothing.

        Args:
            signatures: for example `[welcome.s(1), welcome.using(priority="high").s(2), report.s()]`.
            connection: as in `Task.using`, for all of them. What the signatures say when it is not given here.

        Returns:
            A handle for each, in order; `duplicate` is set where a unique job was there already.

        Raises:
            InvalidArgument: an option is out of range, or they name several connections; nothing is enqueued.
        """
        if self.inline:
            jobs: list[Job[Any]] = self.inline.enqueue_each(list(signatures))
            return jobs
        with self._adding(signatures, connection) as (adding, call, connection):
            return self._jobs(adding, self.database.run(call, connection))

    async def aenqueue_many(self, signatures: Iterable[Signature[Any]], *, connection: Any = None) -> list[Job[Any]]:
        """`enqueue_many` for async code."""
        if self.inline:
            jobs: list[Job[Any]] = await self.inline.aenqueue_each(list(signatures))
            return jobs
        with self._adding(signatures, connection) as (adding, call, connection):
            return self._jobs(adding, await self.async_database.run(call, connection))

    @contextmanager
    def _adding(self, signatures: Iterable[Signature[Any]], connection: Any) -> Iterator[AddingMany]:
        with ExitStack() as around:
            adding = []
            for one in signatures:
                given = around.enter_context(self.enqueuing(one.task.name, one.args, one.options))
                adding.append(Signature(one.task, given.args, given.options))
            held_for = min((one.options.held_for for one in adding), default=0.0)
            sent = around.enter_context(sending_all(adding))
            call = enqueue_calls.enqueue_jobs([one.to_json(sent.trace) for one in adding], held_for)
            yield adding, sent.noting(call), the_connection(adding, connection)

    def _jobs(self, signatures: list[Signature[Any]], added: list[Added]) -> list[Job[Any]]:
        pairs = zip(signatures, added, strict=True)
        return [Job(self, id, signature.task.parameters, duplicate) for signature, (id, duplicate) in pairs]

    def workflow(
        self, name: str | None = None, *, on_success: Signature[Any] | None = None, on_failure: Signature[Any] | None = None
    ) -> WorkflowBuilder[Any]:
        """A workflow to add nodes to and then to enqueue. For chains and groups alone, `chain` and `group` are shorter.

        Args:
            name: to find it by; it need not be unique.
            on_success: enqueued when all of it is over and the outcome is succeeded, with meta that says of which workflow.
            on_failure: enqueued when all of it is over and the outcome is failed: a node is a dead letter. Of a workflow that was
                cancelled neither is enqueued. Each is enqueued again when the workflow finishes again, after a retry.

        Raises:
            InvalidArgument: something is no signature.

        Example:
            flow = app.workflow("import")
            flow.add(fetch, (url,), name="fetch")
            flow.add(parse.s(), name="parse", after="fetch")
            flow.add(clean_up, after="parse", when="finished")
            flow.enqueue()
        """
        return WorkflowBuilder(self, name, on_success, on_failure)

    def get_workflow(self, workflow_id: int) -> Workflow[Any]:
        """A handle on a workflow by its id; it is not looked up yet."""
        return Workflow(self, read_id("workflow_id", workflow_id))

    def as_completed(self, jobs: Iterable[Job[R]], timeout: float | None = None) -> AsCompleted[R]:
        """The same jobs in the order in which they end, each once, with any outcome. One query looks for all of them.

        Args:
            jobs: any number. One that does not exist has ended.
            timeout: seconds from the first look; None (default) waits without limit, 0 polls once.

        Returns:
            What `for` and `async for` go through.

        Raises:
            ResultTimeout: some did not end in time; the message says how many, and why the first ones have not. None is
                cancelled.
        """
        return AsCompleted(self, jobs, timeout)

    def submit(self, part: Part[R], connection: Any) -> Workflow[R]:
        """Enqueue a chain or group as a workflow."""
        return self._one_part(part).enqueue(connection=connection)

    async def asubmit(self, part: Part[R], connection: Any) -> Workflow[R]:
        """`submit` for async code."""
        return await self._one_part(part).aenqueue(connection=connection)

    def _one_part(self, part: Part[R]) -> WorkflowBuilder[R]:
        builder: WorkflowBuilder[R] = WorkflowBuilder(self, None)
        builder.add(part)
        return builder


def _is_shorter(timeout: Duration | None, soft: float | str | None) -> bool:
    """Whether a task ends before the soft timeout of the app, which is in seconds: every enqueue would be refused."""
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    return isinstance(soft, float) and isinstance(seconds, int | float) and 0 < seconds <= soft
