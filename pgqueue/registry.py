"""The tasks and limits of an app, and what happens around each enqueue."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import replace
from typing import Any, Generic, TypeVar

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

R = TypeVar("R", covariant=True)
Arguments = tuple[Any, ...] | Mapping[str, Any]
CHUNK = "pgqueue.chunk"  # the built-in task that runs the calls of a chunk


class Registered(Generic[R]):
    """A function under the name by which jobs refer to it. `Task` adds the ways to enqueue calls of it.

    Args:
        registry: of the app.
        name: of the task.
        function: the handler.
        options: with which its jobs are enqueued.
        executor: "process", or as the function is by default.
    """

    def __init__(
        self, registry: "Registry", name: str, function: Callable[..., Any], options: Options, executor: str | None
    ) -> None:
        self._app = registry
        self.name = storable("task", name)
        self.function = function
        self.options = options
        self.parameters = Parameters(name, function)
        self._most = registry.settings.max_result_bytes
        self.executor = chosen(executor, name, function, self.parameters.is_async)

    def dump_result(self, value: Any) -> str | None:
        """What the handler returned as JSON text, None for None.

        Raises:
            TypeError, ValueError: it has no JSON form.
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
        self._app.settings = self._app.settings.model_copy(update={"database_url": database_url, "schema_name": schema})


class Registry(Client):
    """What an app knows of its tasks.

    Attributes:
        tasks: the registered tasks by name; the app adds them.
        chunk_task: the built-in task that runs the calls of a chunk; it is not among `tasks`. The app sets it.
        limits: declares limits, and changes and shows them at run time.
        inline: runs what is enqueued at once, in tests: see `pgqueue.testing.inline`; None = it is enqueued.
        enqueue_middleware, execution_middleware: what runs around each enqueue and each run of a handler, outermost first.
        lifespan: opens what handlers share; None without.
    """

    tasks: Mapping[str, Registered[Any]]
    chunk_task: Registered[list[Any]]

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.tasks = {}
        self.limits = Limits(self, self.assert_open)
        self.inline: Any = None  # pgqueue.testing, which stands above, sets it
        self.enqueue_middleware: list[AroundEnqueue] = []
        self.execution_middleware: list[AroundExecution] = []
        self.lifespan: AsyncContextMaker | None = None
        self._coalescer = Coalescer()
        self._frozen = False

    def registered(self, name: str) -> Registered[Any]:
        """The task of this name.

        Raises:
            UnknownTask: there is none; the message lists those there are.
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
        """Refuse what is registered from now on: a worker that has started would not see it."""
        self._frozen = True

    def assert_open(self, what: str) -> None:
        """Raise ConfigurationError when a worker has started."""
        if self._frozen:
            raise ConfigurationError(
                f"{what}: a worker of this app has started, so nothing more can be registered; "
                "do it when the module of the app is imported"
            )

    def waking(self, options: Options) -> AbstractContextManager[bool]:
        """Whether an enqueue with these options notifies: once per window on our own connections, for jobs that may run at once.

        SQL decides about the others: whether a job for later wakes anybody, it must not use up the wake-up of the window.
        """
        if not options.notify:
            return nullcontext(False)
        own = options.connection is None
        at_once = own and options.run_at is None and options.run_after is None and not options.depends_on
        return self._coalescer.waking(options.queue) if at_once else nullcontext(True)

    def enqueuing(self, task: str, arguments: Any, options: Options) -> AbstractContextManager[EnqueueCall]:
        """The middleware around an enqueue; gives the call as it has left it."""
        around = self.enqueue_middleware
        call = EnqueueCall(task, arguments, options)
        return enqueuing(around, replace(call, args=deepcopy(arguments))) if around else nullcontext(call)

    def submit(self, part: Any, connection: Any) -> Any:
        """Enqueue a chain or group as a workflow; the app, which knows workflows, does it."""
        raise NotImplementedError

    async def asubmit(self, part: Any, connection: Any) -> Any:
        """`submit` for async code."""
        raise NotImplementedError
