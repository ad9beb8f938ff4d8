"""What runs inside of the processes for handlers, and what crosses into them: names, JSON texts and numbers.

A process imports the module of the handler and decodes the arguments there.
"""

import functools
import importlib
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import logs
from .._json import dumps, loads_own
from ..context import JobContext
from ..errors import CancelRequested
from ..executor import look_up
from ..logs import current
from ..outcomes import RateLimited
from ..registry import Registered
from ..run import Run
from ..tracing.carried import carry
from ..tracing.provider import active
from ..watching.said import Said, Unstored
from .describe import describe
from .execute import arguments_of
from .log_handler import forget, keep
from .outcome import cancelled, returned
from .questions import answer_questions
from .stack_signal import listen_to_signal

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

RAISED = "raised"
RATE_LIMITED = "rate limited"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
PLAIN = (
    "token", "id", "queue", "task", "args_json", "attempt", "max_attempts", "priority", "meta_json", "node_json", "limits",
    "terms_json",
)  # fmt: skip
TIMES = ("run_at", "created_at")
Line = tuple[int, float, str, str, str | None]  # number, age in seconds, level, message, fields
Answer = tuple[str, str, float, list[Line]]


@dataclass(frozen=True, slots=True)
class Setup:
    """What a process gets when it starts, in a pipe: the database of the worker's app, and how logs are written."""

    database_url: str = field(repr=False)
    schema_name: str
    logs: logs.Given | None


def to_json(job: JobContext) -> str:
    """A run as a process gets it."""
    fields = {name: getattr(job, name) for name in PLAIN} | {"time_left": job.time_left()}
    fields |= {"worker": current.worker(), "install": current.install()}
    return dumps(fields | {name: getattr(job, name).isoformat() for name in TIMES})


def from_json(text: str) -> JobContext:
    """The run that `to_json` has written."""
    fields = loads_own(text)
    left: float | None = fields.pop("time_left")
    worker = fields.pop("worker")
    current.set_worker(worker and (lambda: tuple(worker)))
    current.set_install(fields.pop("install"))
    job = _Context(**fields | {name: datetime.fromisoformat(fields[name]) for name in TIMES})
    job.deadline = None if left is None else time.perf_counter() + left
    return job


class _Context(JobContext):
    """A run in a process: what it is asked for stands in memory that the worker shares."""

    __slots__ = ()

    @property
    def cancelled(self) -> bool:
        return _asked is not None and _asked.value == self.id

    @cancelled.setter
    def cancelled(self, value: bool) -> None:
        """The worker alone decides."""


_setup: Setup | None = None
_asked: Any = None  # see _Child


def begin(setup: Setup, asked: Any = None, questions: "Connection | None" = None) -> None:
    """Prepare a process that has just started. `questions`: through which the worker asks what it does."""
    global _setup, _asked
    _setup, _asked = setup, asked
    os.setpgid(0, 0)  # so that programs that a handler starts end with the process
    for number in SIGNALS:
        signal.signal(number, _unheard)  # not SIG_IGN: programs that a handler starts would inherit it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_end_with_worker, name="pgqueue-end", daemon=True).start()
    if questions is not None:
        answer_questions(questions)
    listen_to_signal()
    if setup.logs:
        logs.configure(setup.logs)


def _unheard(number: int, frame: object) -> None:
    """The worker decides when this process ends."""


def _end_with_worker() -> None:
    # Here, because a worker imports this file too and needs none of them; and not when its worker has ended already.
    import multiprocessing

    import psutil

    from .tree import descendants

    worker = multiprocessing.parent_process()
    if worker is not None:
        worker.join()
        programs = descendants(psutil.Process())  # some may have made a group of their own
        # The handler may wait for one of them: it must not go on, and end this process, before the others are killed. os.kill
        # keeps the interpreter's lock.
        sys.setswitchinterval(10)
        for program in programs:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(program.pid, signal.SIGKILL)
        os.killpg(0, signal.SIGKILL)


def load(module: str, path: str) -> None:
    """Import a handler. An error is left to `run`, which reports it."""
    with suppress(BaseException):
        _find(module, path)


def run(module: str, path: str, fields: str, trace: str = "{}") -> Answer:
    """Run a handler, in a context of its own. `trace`: what `outgoing` says in the worker."""
    unstored = Unstored()
    return *copy_context().run(_ended, module, path, fields, trace, unstored), _lines(unstored)


def _ended(module: str, path: str, fields: str, trace: str, unstored: Unstored) -> tuple[str, str, float]:
    started = time.perf_counter()
    try:
        job = from_json(fields)
        job.sink = partial(_hold, unstored)
        current.job.set(job)
        task = _find(module, path)
        _go_on(loads_own(trace))  # behind the import of the handler's module, which may set up an SDK
        if task.log_level is not None:
            keep(job, task.log_level)
        result = task.function(**arguments_of(job, task.parameters))
        outcome = returned(job, task.dump_result, result, time.perf_counter() - started)
        return outcome.state, outcome.json, outcome.elapsed
    except CancelRequested:
        outcome = cancelled(job, time.perf_counter() - started)
        return outcome.state, outcome.json, outcome.elapsed
    except RateLimited as error:
        return RATE_LIMITED, dumps({"retry_after": error.delay, "key": error.key}), time.perf_counter() - started
    except BaseException as error:  # SystemExit too: the process continues with other jobs
        return RAISED, dumps(describe(error)), time.perf_counter() - started
    finally:
        forget()
        current.job.set(None)


def _go_on(trace: dict[str, str]) -> None:
    """Go on with a trace, for the rest of this context."""
    carry(trace)
    if trace and (telemetry := active()) is not None:
        telemetry.enter(trace)


def _hold(unstored: Unstored, run: Run, said: Said) -> None:
    """Hold a log line until the handler has ended."""
    run.said += 1
    unstored.add(run.said, said)


def _lines(unstored: Unstored) -> list[Line]:
    now = time.monotonic()
    return [(number, now - said.at, said.level, said.message, said.fields) for number, said in list(unstored.lines)]


def log_lines(job: JobContext, lines: list[Line]) -> None:
    """Log in the worker what a handler has said in its process."""
    now = time.monotonic()
    for number, age, level, message, fields in lines:
        job.said = number - 1  # a gap stays one
        job._keep_line(Said(now - age, level, message, fields))


@functools.cache
def _find(module: str, path: str) -> Registered[Any]:
    """The task with the name of its function; the task has the settings of its app."""
    importlib.import_module(module)
    task: Registered[Any] = look_up(module, path)
    assert _setup is not None
    task.connect_like(_setup.database_url, _setup.schema_name)
    return task
