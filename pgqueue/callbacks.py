"""What an app wants to be told about the ends of its jobs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from .context import JobContext
from .errors import ConfigurationError

if TYPE_CHECKING:
    from .task import Task

Kind = Literal["success", "failure", "retry", "dead"]
Callback = Callable[["JobEvent"], Any]
C = TypeVar("C", bound=Callback)


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
    def __call__(self, callback: None = None, /, *, task: "Task[..., Any]") -> Callable[[C], C]: ...
    def __call__(self, callback: Any = None, /, *, task: "Task[..., Any] | None" = None) -> Any:
        def register(callback: C) -> C:
            self._add(callback, None if task is None else task.name)
            return callback

        return register if callback is None else register(callback)
