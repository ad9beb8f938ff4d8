"""Callbacks about ended runs, and middleware: an app registers them beside its tasks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypeVar, overload

from .config import Settings
from .context import JobContext
from .errors import ConfigurationError
from .middleware import async_context_maker, context_maker
from .registry import Registered, Registry

Kind = Literal["success", "failure", "retry", "dead"]
Callback = Callable[["JobEvent"], Any]
C = TypeVar("C", bound=Callback)
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class JobError:
    """The error of a failed run, as stored with the job.

    Attributes:
        type: name of the exception's class, with its module unless it is built in.
        types: the names of the class and of all its base classes.
        message: its text.
        traceback: the traceback as text; None for `RetryIn`.
    """

    type: str
    types: tuple[str, ...]
    message: str
    traceback: str | None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """The argument of a callback.

    Attributes:
        job: the run that ended.
        result: the result of the handler, decoded from JSON; None unless it succeeded.
        error: why the run failed; None if it succeeded.
        run_at: when the job runs again, on the clock of the database; None if it does not.
    """

    job: JobContext
    result: Any = None
    error: JobError | None = None
    run_at: datetime | None = None


class Callbacks:
    """The callbacks of an app by kind."""

    def __init__(self) -> None:
        self._registered: dict[Kind, list[tuple[str | None, Callback]]] = {}

    def __bool__(self) -> bool:
        return bool(self._registered)

    def add(self, kind: Kind, callback: Callback, task: str | None) -> None:
        """Register a callback for jobs of this task; None = of every task."""
        if not callable(callback):
            raise ConfigurationError(f"on_{kind}: {callback!r} is not a function; it must take one JobEvent")
        self._registered.setdefault(kind, []).append((task, callback))

    def of(self, kind: Kind, task: str) -> list[Callback]:
        """The callbacks for a job of this task, in the order in which they were registered."""
        return [callback for wanted, callback in self._registered.get(kind, ()) if wanted is None or wanted == task]


class Registrar:
    """Registers callbacks of one kind: `@app.on_dead`, or `@app.on_dead(task=welcome)` for the jobs of one task.

    A callback takes one `JobEvent`; `async def` runs on the worker's event loop, `def` in a thread. Callbacks run in the worker
    that ran the job, one after the other, after the end of the run was committed. They may be lost if the worker crashes or its
    grace ends. Their exceptions are logged and counted; they do not change the job.

    Raises:
        ConfigurationError: the argument is not a function, or a worker of this app has started.
    """

    def __init__(self, add: Callable[[Callback, str | None], None]) -> None:
        self._add = add

    @overload
    def __call__(self, callback: C, /) -> C: ...
    @overload
    def __call__(self, callback: None = None, /, *, task: Registered[Any]) -> Callable[[C], C]: ...
    def __call__(self, callback: Any = None, /, *, task: Registered[Any] | None = None) -> Any:
        def register(callback: C) -> C:
            self._add(callback, None if task is None else task.name)
            return callback

        return register if callback is None else register(callback)


class Hooks(Registry):
    """An app's middleware and callbacks.

    Attributes:
        on_success: registers callbacks for jobs that succeeded; see `Registrar`.
        on_failure: registers callbacks for failed runs, whether the job runs again or not.
        on_retry: registers callbacks for jobs that run again after a failure; `run_at` of the event has the time.
        on_dead: registers callbacks for jobs that failed for good in a worker; not for dead letters of crashed workers. No
            callback runs for jobs that `app.cancel` cancels.
        callbacks: the registered callbacks.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.callbacks = Callbacks()
        self.on_success = Registrar(partial(self._add_callback, "success"))
        self.on_failure = Registrar(partial(self._add_callback, "failure"))
        self.on_retry = Registrar(partial(self._add_callback, "retry"))
        self.on_dead = Registrar(partial(self._add_callback, "dead"))

    def around_enqueue(self, function: F, /) -> F:
        """Register a generator function of one `EnqueueCall` that runs around each `enqueue` and `enqueue_many`, async or not.

        Before its `yield` it may change options and arguments. Errors are raised at the `yield`; it may replace but not
        swallow them. It runs once for `task.enqueue_many`, for each signature of `app.enqueue_many`, not for
        `enqueue_select`. The first registered is outermost. For `aenqueue` it runs on the event loop, so it must not block.

        Raises:
            ConfigurationError: it is not a generator function, or a worker of this app has started.
        """
        self.assert_open("around_enqueue")
        self.enqueue_middleware.append(context_maker(function, "around_enqueue"))
        return function

    def around_execution(self, function: F, /) -> F:
        """Register an async generator function of one `JobContext` that runs around each run of a handler, in the worker.

        An exception of the handler is raised at its `yield`: it may pass it on, raise another one, or swallow it; then the job
        succeeds without a result. A handler in a process raises `RemoteError`. The first registered is outermost.

        Raises:
            ConfigurationError: it is not an async generator function, or a worker of this app has started.
        """
        self.assert_open("around_execution")
        self.execution_middleware.append(async_context_maker(function, "around_execution"))
        return function

    def _add_callback(self, kind: Kind, callback: Callback, task: str | None) -> None:
        self.assert_open(f"on_{kind}")
        self.callbacks.add(kind, callback, task)
