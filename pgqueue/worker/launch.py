"""From `module:app` to a running worker: shared by the command line, the supervisor and its children."""

import asyncio
import importlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .. import logs
from .._json import dumps, loads_own
from .._trace import loggable
from ..config import load_settings
from ..errors import ConfigurationError, PgQueueError
from ..logs.current import set_install
from ..probes.address import Address
from ..probes.answering import answering
from ..probes.seen import Seen
from ..tracing.provider import flush
from .early import EarlySignals, Stopped
from .loops import LoopEnded
from .meant import meant_app, meant_module
from .memory import rss
from .options import WorkerOptions
from .worker import Worker

if TYPE_CHECKING:
    from ..app import PgQueue

log = logging.getLogger("pgqueue.worker")
RECYCLED = 75  # exit code: the worker has lost too many slots to handlers that do not end; another start helps
REFUSED = 2  # exit code: the worker cannot run with these settings, so another start would not help
FLUSH_WITHIN = 2.0  # seconds for an SDK of OpenTelemetry to send what it holds, if the process is abandoned
ABANDON_AFTER = 1.0  # seconds for handlers and callbacks to end after their worker has ended


@dataclass(frozen=True, slots=True)
class Launch:
    """What a worker process needs to start.

    Attributes:
        target: module:attribute of the app; the attribute is `app` when left out.
        options: settings of the worker.
        database_url: instead of the app's own; None = the app's.
        schema: instead of the app's own; None = the app's.
        log_format, log_level, log_file: instead of the app's own; None = the app's.
    """

    target: str
    options: WorkerOptions
    database_url: str | None = field(default=None, repr=False)
    schema: str | None = None
    log_format: str | None = None
    log_level: str | None = None
    log_file: str | None = None

    def to_json(self) -> str:
        """As one line of text for another process."""
        return dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Launch":
        """Read the text that `to_json` wrote."""
        fields = loads_own(text)
        options = fields.pop("options")
        queues = tuple((name, weight) for name, weight in options.pop("queues"))
        return cls(**fields, options=WorkerOptions(queues=queues, **options))

    def given(self) -> dict[str, str]:
        """The settings that it has instead of those of the app."""
        settings = {
            "database_url": self.database_url,
            "schema_name": self.schema,
            "log_format": self.log_format,
            "log_level": self.log_level,
            "log_file": self.log_file,
        }
        return {name: value for name, value in settings.items() if value is not None}


def load_app(launch: Launch) -> "PgQueue":
    """Import the app; the current directory is on sys.path.

    Raises:
        ConfigurationError: there is no such module, no such attribute, it is not a PgQueue, or it has no tasks.
    """
    from ..app import PgQueue

    module_name, _, attribute = launch.target.partition(":")
    attribute = attribute or "app"
    module = _import(module_name)
    try:
        app = getattr(module, attribute)
    except AttributeError:
        near = meant_app(module, attribute, PgQueue) or "; give module:attribute"
        raise ConfigurationError(f"app: module {module_name!r} has no {attribute!r}{near}") from None
    if not isinstance(app, PgQueue):
        raise ConfigurationError(f"app: {module_name}:{attribute} is a {type(app).__qualname__}; it must be a PgQueue")
    if not app.tasks:
        near = meant_app(module, attribute, PgQueue) or "; import the modules with its @app.task functions"
        raise ConfigurationError(f"app: {module_name}:{attribute} has 0 tasks{near}")
    app.settings = load_settings(**app.settings.model_dump() | launch.given())
    return app


def load_with_logs(launch: Launch) -> "PgQueue":
    """Import the app, with logs from the start: while it is imported as the environment says, then as the app says.

    Raises:
        ConfigurationError: as in `load_app`, or a setting is invalid, or the log file cannot be written.
    """
    logs.configure(logs.settled(load_settings(**launch.given())))
    set_install(launch.schema)  # others of the same supervisor write to the same log
    app = load_app(launch)
    logs.reconfigure(logs.settled(app.settings))
    return app


def _import(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigurationError(f"app: {name!r} is not the name of a module; give module:attribute")
    try:
        return importlib.import_module(name)
    except Stopped:
        raise
    except SystemExit as error:  # silence would leave nobody a reason
        raise ConfigurationError(
            f"app: module {name!r} calls sys.exit({str(error.code)[:100]}) while it is imported; "
            "do that only under `if __name__ == '__main__'`"
        ) from error
    except PgQueueError as error:  # such as an invalid option of a task
        raise ConfigurationError(f"app: module {name!r}: {error}") from error
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            where = f"in {os.getcwd()} or on sys.path{meant_module(name)}"
            raise ConfigurationError(f"app: there is no module {error.name!r} {where}") from None
        raise ConfigurationError(f"app: module {name!r} could not be imported: {error}") from error


def run(launch: Launch, on_worker: Callable[[Worker], object] = lambda worker: None, probes: Address | None = None) -> int:
    """Run one worker in this process until it ends.

    Args:
        launch: what it needs.
        on_worker: told the worker before it runs.
        probes: where it serves probes; None = nowhere.

    Returns:
        The exit code: 0, or 75 if another worker should take the place of this one.

    Raises:
        ConfigurationError: the app cannot be loaded.
        NotMigrated: the schema is not there.
    """
    early = EarlySignals()
    app = load_with_logs(launch)
    worker = Worker(app, launch.options)
    on_worker(worker)
    early.go_to(worker.stop)
    answers = answering(lambda: _seen(worker), probes, app.settings.lease)
    with answers, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        failed: BaseException | None = None
        try:
            _run_to_its_end(runner.get_loop(), worker.run())
        except BaseException as error:
            failed = error
            raise
        finally:
            left = runner.run(_tasks_left()) + _threads_left()
            code = _exit_code(worker, failed)
            _abandon(left, failed, code)
            logs.close()
    return code


def _seen(worker: Worker) -> Seen:
    return Seen([replace(worker.status(), memory=rss(os.getpid()) or None)])


def _exit_code(worker: Worker, failed: BaseException | None) -> int:
    if failed is not None:
        return REFUSED if isinstance(failed, PgQueueError) else 1
    if not worker.is_recycled:
        return 0
    log.warning("exit code %s: %s; start another worker", RECYCLED, worker.recycled_because)
    return RECYCLED


def _run_to_its_end(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
    """Run the loop until the work is done.

    A task or callback that raises SystemExit or KeyboardInterrupt interrupts the loop, even though signals are handled elsewhere.
    The loop is continued. The code that awaits the task gets the exception, so the job whose handler started the task fails.
    """
    running = loop.create_task(work)
    while True:
        try:
            loop.run_until_complete(running)
            return
        except asyncio.CancelledError:
            raise LoopEnded("a handler cancelled the worker's own task; the worker stopped") from None
        except (KeyboardInterrupt, SystemExit) as error:
            if running.done():
                raise
            kind, shown = type(error).__name__, loggable(error)
            log.error("a task or callback of a handler raised %s; the worker continues", kind, exc_info=shown)


async def _tasks_left() -> list[str]:
    """Cancel the tasks that handlers and callbacks have left on the loop. Returns the names of the tasks that do not end."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        _, tasks = await asyncio.wait(tasks, timeout=ABANDON_AFTER)
    return [f"task {getattr(task.get_coro(), '__qualname__', task.get_name())}" for task in tasks]


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _threads_left() -> list[str]:
    """Handlers that still run in threads: their jobs were given back, but Python would wait for them."""
    deadline = time.monotonic() + ABANDON_AFTER
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("pgqueue-handler")]
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [f"thread {thread.name}" for thread in threads if thread.is_alive()]


def _abandon(left: list[str], failed: BaseException | None, code: int) -> None:
    """End the process although tasks or threads that cannot be stopped still run."""
    if not left:
        return
    log.warning("exiting while %s handlers or callbacks still run: %s", len(left), ", ".join(sorted(left)))
    if failed is not None:
        log.critical("the worker failed", exc_info=loggable(failed))
    flush(FLUSH_WITHIN)
    logs.close()
    os._exit(code)
