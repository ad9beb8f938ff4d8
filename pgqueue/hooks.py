"""What an app registers beside its tasks: callbacks about the ends of jobs, and middleware."""

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
    """Why a run failed, as it is kept with the job.

    Attributes:
        type: name of the exception's class, with its module unless built in.
        types: the names of all that it inherits from, itself first.
        message: its text.
        traceback: as text; None for `RetryIn`.
    """

    type: str
    types: tuple[str, ...]
    message: str
    traceback: str | None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """What a callback is told.

    Attributes:
        job: the run that ended.
        result: what the handler returned, as JSON holds it; None unless it succeeded.
        error: why the run failed; None when it succeeded.
        run_at: when the job runs again, on the database's clock; None unless it does.
    """

    job: JobContext
    result: Any = None
    error: JobError | None = None
    run_at: datetime | None = None


class Callbacks:
    """The callbacks of an app, by what they are about."""

    def __init__(self) -> None:
        self._registered: dict[Kind, list[tuple[str | None, Callback]]] = {}

    def __bool__(self) -> bool:
        return bool(self._registered)

    def add(self, kind: Kind, callback: Callback, task: str | None) -> None:
        """Call it for jobs of this task; None = of every task."""
        if not callable(callback):
            raise ConfigurationError(f"on_{kind}: {callback!r} is not a function; it must take one JobEvent")
        self._registered.setdefault(kind, []).append((task, callback))

    def of(self, kind: Kind, task: str) -> list[Callback]:
        """Those for a job of this task, in the order they were registered."""
        return [callback for wanted, callback in self._registered.get(kind, ()) if wanted is None or wanted == task]


class Registrar:
    """Registers callbacks of one kind: `@app.on_dead`, or `@app.on_dead(task=welcome)` for the jobs of one task.

    A callback takes one `JobEvent`; `async def` runs on the worker's event loop, `def` in a thread. Callbacks run in the worker
    that ran the job, one after the other, after the end of the run was committed. They may be lost when the worker crashes or
    its grace ends. What they raise is logged and counted and changes nothing for the job.

    Raises:
        ConfigurationError: what was given is no function, or a worker of this app has started.
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
        on_failure: for runs that failed, whether the job runs again or not.
        on_retry: for jobs that run again after a failure; the event's `run_at` says when.
        on_dead: for jobs that failed for good in a worker; not for those that are dead letters because their workers crashed.
            What `app.cancel` cancels no callback is told of.
        callbacks: those registered.
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

        Before its `yield` it may change options and arguments. Errors are raised at the `yield`, and may be replaced but not
        swallowed. `task.enqueue_many` is one call, `app.enqueue_many` one for each signature, `enqueue_select` none. The first
        registered is outermost. For `aenqueue` it runs on the event loop, so it must not block.

        Raises:
            ConfigurationError: it is no generator function, or a worker of this app has started.
        """
        self.assert_open("around_enqueue")
        self.enqueue_middleware.append(context_maker(function, "around_enqueue"))
        return function

    def around_execution(self, function: F, /) -> F:
        """Register an async generator function of one `JobContext` that runs around each run of a handler, in the worker.

        What the handler raises is raised at its `yield`: let it pass, raise another, or swallow it, and the job succeeds
        without a result. A handler in a process raises `RemoteError`. The first registered is outermost.

        Raises:
            ConfigurationError: it is no async generator function, or a worker of this app has started.
        """
        self.assert_open("around_execution")
        self.execution_middleware.append(async_context_maker(function, "around_execution"))
        return function

    def _add_callback(self, kind: Kind, callback: Callback, task: str | None) -> None:
        self.assert_open(f"on_{kind}")
        self.callbacks.add(kind, callback, task)
