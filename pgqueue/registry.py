"""The tasks and limits of an app, and the middleware around each enqueue."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import replace
from typing import Any, Generic, TypeVar

from pydantic import SecretStr

from ._coalesce import Coalescer
from ._text import storable
from .client import Client
from .codec.parameters import Parameters
from .config import Settings
from .errors import ConfigurationError, ResultTooLarge, UnknownTask
from .executor import chosen
from .limits.limits import Limits
from .middleware import AroundEnqueue, AroundExecution, AsyncContextMaker, EnqueueCall, enqueuing
from .options import Options
from .watching.said import Level, number_of

R = TypeVar("R", covariant=True)
Arguments = tuple[Any, ...] | Mapping[str, Any]
CHUNK = "pgqueue.chunk"  # the built-in task that runs the calls of a chunk


class Registered(Generic[R]):
    """A function under the name by which jobs refer to it. `Task` adds the ways to enqueue calls of it.

    Args:
        registry: the registry of the app.
        name: the name of the task.
        function: the handler.
        options: the options with which its jobs are enqueued.
        executor: "process", or the default for the kind of the function.
        raise_soft_timeout: whether SoftTimeout is raised in the handler.
        log: the lowest level of standard logging that is kept with its jobs; True = info, False = none.
    """

    def __init__(
        self,
        registry: "Registry",
        name: str,
        function: Callable[..., Any],
        options: Options,
        executor: str | None,
        raise_soft_timeout: bool = False,
        log: bool | Level = False,
    ) -> None:
        self._app = registry
        self.name = storable("task", name)
        self.function = function
        self.options = options
        self.parameters = Parameters(name, function)
        self._most = registry.settings.max_result_bytes
        self.executor = chosen(executor, name, function, self.parameters.is_async)
        self.raise_soft_timeout = raise_soft_timeout
        self.log_level = number_of(log)
        if raise_soft_timeout and self.executor != "async":
            raise ConfigurationError(
                f"raise_soft_timeout: the handler of task {name!r} is not async, so nothing can be raised in it; make it `async "
                "def`, or let it check ctx.time_left()"
            )

    def dump_result(self, value: Any) -> str | None:
        """The result of the handler as JSON text, None for None.

        Raises:
            TypeError, ValueError: the result has no JSON form.
            ResultTooLarge: a ValueError that names its size.
        """
        text = self.parameters.dump_result(value)
        if text is not None and len(text) * 4 > self._most and (size := len(text.encode())) > self._most:
            raise ResultTooLarge(
                f"the result is {size} bytes of JSON, max_result_bytes is {self._most}; "
                "store it elsewhere and return its location, or raise the limit"
            )
        return text

    def connect_like(self, database_url: str, schema: str) -> None:
        """Use the database of the worker that runs this process."""
        self._app.settings = self._app.settings.model_copy(
            update={"database_url": SecretStr(database_url), "schema_name": schema}
        )


class Registry(Client):
    """The tasks of an app and the settings that they share.

    Attributes:
        tasks: the registered tasks by name; the app adds them.
        chunk_task: the built-in task that runs the calls of a chunk; it is not among `tasks`. The app sets it.
        limits: declares limits, and changes and shows them at run time.
        inline: in tests, runs jobs at once in place of the enqueue: see `pgqueue.testing.inline`; None = they are enqueued.
        enqueue_middleware, execution_middleware: the middleware around each enqueue and each run of a handler, outermost first.
        lifespan: opens the values that handlers share; None if there is none.
    """

    tasks: Mapping[str, Registered[Any]]
    chunk_task: Registered[list[Any]]

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.tasks = {}
        self.limits = Limits(self, self.assert_open)
        self.inline: Any = None  # set by pgqueue.testing
        self.enqueue_middleware: list[AroundEnqueue] = []
        self.execution_middleware: list[AroundExecution] = []
        self.lifespan: AsyncContextMaker | None = None
        self._coalescer = Coalescer()
        self._frozen = False

    def registered(self, name: str) -> Registered[Any]:
        """The task of this name.

        Raises:
            UnknownTask: there is none; the message lists the registered tasks.
        """
        if name == CHUNK:
            return self.chunk_task
        try:
            return self.tasks[name]
        except KeyError:
            known = ", ".join(sorted(self.tasks)) or "none"
            raise UnknownTask(f"task: {name!r} is not registered; there are: {known}") from None

    @property
    def queues(self) -> list[str]:
        """Every queue that the registered tasks name."""
        return sorted({task.options.queue for task in self.tasks.values()}) or ["default"]

    def freeze(self) -> None:
        """Refuse registrations from now on, because a started worker would not see them."""
        self._frozen = True

    def assert_open(self, what: str) -> None:
        """Raise ConfigurationError if a worker has started."""
        if self._frozen:
            raise ConfigurationError(
                f"{what}: a worker of this app has started, so nothing more can be registered; "
                "do it when the module of the app is imported"
            )

    def waking(self, options: Options) -> AbstractContextManager[bool]:
        """Whether an enqueue with these options notifies: once in each window on our connections, for jobs that may run at once.

        For other jobs SQL decides: a job for later may wake no worker, so it must not use up the wake-up of the window.
        """
        if not options.notify:
            return nullcontext(False)
        own = options.connection is None
        at_once = own and options.run_at is None and options.run_after is None and not options.depends_on
        return self._coalescer.waking(options.queue) if at_once else nullcontext(True)

    def enqueuing(self, task: str, arguments: Any, options: Options) -> AbstractContextManager[EnqueueCall]:
        """The middleware around an enqueue. Gives the call after the middleware."""
        around = self.enqueue_middleware
        call = EnqueueCall(task, arguments, options)
        return enqueuing(around, replace(call, args=deepcopy(arguments))) if around else nullcontext(call)

    def submit(self, part: Any, connection: Any) -> Any:
        """Enqueue a chain or group as a workflow; implemented by the app, because this module cannot import workflows."""
        raise NotImplementedError

    async def asubmit(self, part: Any, connection: Any) -> Any:
        """`submit` for async code."""
        raise NotImplementedError
