"""What an app registers beside its tasks, and the end of registering: the start of a worker."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .callbacks import Callback, Callbacks, Kind, Registrar
from .errors import ConfigurationError
from .middleware import AroundEnqueue, AroundExecution, async_context_maker, context_maker

F = TypeVar("F", bound=Callable[..., Any])


class Registrars:
    """Middleware and callbacks of an app.

    Attributes:
        on_success: registers callbacks for jobs that succeeded; see `Registrar`.
        on_failure: for runs that failed, whether the job runs again or not.
        on_retry: for jobs that run again after a failure; the event's `run_at` says when.
        on_dead: for jobs that failed for good in a worker; not for those that are dead letters because their workers crashed.
            What `app.cancel` cancels no callback is told of.
        callbacks: those registered.
        enqueue_middleware, execution_middleware: those registered, outermost first.
    """

    def __init__(self) -> None:
        self._frozen = False
        self.callbacks = Callbacks()
        self.enqueue_middleware: list[AroundEnqueue] = []
        self.execution_middleware: list[AroundExecution] = []
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

    def freeze(self) -> None:
        """Refuse to register anything more; a worker calls it when it starts."""
        self._frozen = True

    def assert_open(self, what: str) -> None:
        """Raise ConfigurationError when a worker of this app has started."""
        if self._frozen:
            raise ConfigurationError(
                f"{what}: a worker of this app has started, so nothing more can be registered; "
                "do it when the module of the app is imported"
            )
