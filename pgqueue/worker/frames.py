"""Where threads and coroutines stand, as data: files, lines, functions and the text of the lines; values of variables never."""

import asyncio
import linecache
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import Context
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any, NamedTuple, TypedDict

from .._text import cut
from ..executor import call
from ..logs import current
from ..run import Run
from .isolate import Isolated

MOST = 100  # frames of one stack; the innermost are kept
FILE, FUNCTION, CODE = 500, 200, 300  # characters
Text = Callable[[str], str]


class Frame(TypedDict):
    """A place in a stack."""

    file: str
    line: int | None
    function: str
    code: str


class Group(TypedDict):
    """Threads, or tasks, that stand at the same place.

    Attributes:
        names: the first of them.
        jobs: the ids of the jobs that they run, as texts; the first of them.
        count: how many they are.
        frames: where they stand, the innermost last.
    """

    names: list[str]
    jobs: list[str]
    count: int
    frames: list[Frame]


class Stand(NamedTuple):
    """One thread or task: its name, the job that it runs, and its frames."""

    name: str
    job: str | None
    frames: list[Frame]


MOST_NAMES, MOST_JOBS = 10, 100


def grouped(stands: Iterable[Stand]) -> list[Group]:
    """Those that stand at the same place in one; those with jobs first."""
    found: dict[tuple[Any, ...], Group] = {}
    for name, job, frames in stands:
        key = (job is None, *((frame["file"], frame["line"], frame["function"]) for frame in frames))
        group = found.setdefault(key, Group(names=[], jobs=[], count=0, frames=frames))
        group["count"] += 1
        if len(group["names"]) < MOST_NAMES:
            group["names"].append(name)
        if job is not None and len(group["jobs"]) < MOST_JOBS:
            group["jobs"].append(job)
    return sorted(found.values(), key=lambda group: not group["jobs"])


def threads(text: Text, job_of: Callable[[int], str | None]) -> Iterator[Stand]:
    """All threads of this process, but for the calling one.

    Args:
        text: leaves secrets out.
        job_of: the job that a thread runs, by its ident, where the frames do not tell it.
    """
    linecache.checkcache()
    for name, ident, frame in _others():
        yield Stand(cut(text(name), FUNCTION), job_of(ident) or _id(_run_in(frame)), _shown(_outwards(frame), text))


def bare_threads(without: Iterable[str]) -> Iterator[Stand]:
    """All threads but for the calling one and those of these names, without jobs and lines, for which files would be read.

    Reading takes long beside a handler that keeps the interpreter busy: whoever reads has to wait for it again and again.
    """
    for name, _, frame in _others():
        if name not in without:
            yield Stand(cut(name, FUNCTION), None, _shown(_outwards(frame), None))


def _others() -> Iterator[tuple[str, int, FrameType]]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        name = names.get(ident, f"thread {ident}")
        if ident != threading.get_ident():
            yield name, ident, frame


def tasks(loop: asyncio.AbstractEventLoop, text: Text, job_of: Callable[["asyncio.Task[Any]"], str | None]) -> Iterator[Stand]:
    """The tasks of a loop that wait for something. Safe in any thread."""
    for task in asyncio.all_tasks(loop):
        coroutine = task.get_coro()
        if not task.done() and not getattr(coroutine, "cr_running", False):
            job = job_of(task) or _id(run_of_task(task))
            yield Stand(cut(text(task.get_name()), FUNCTION), job, _shown(reversed(list(_inwards(coroutine))), text))


def _outwards(frame: FrameType | None) -> Iterator[tuple[CodeType, int | None]]:
    while frame is not None:
        yield frame.f_code, frame.f_lineno
        frame = frame.f_back


def _inwards(awaits: Any) -> Iterator[tuple[CodeType, int | None]]:
    """Where a coroutine stands, and what it awaits, as far as Python tells."""
    for _ in range(10 * MOST):
        frame, following = _step(awaits)
        if frame is None:
            return
        if frame.f_code is not _ISOLATED:
            yield frame.f_code, frame.f_lineno
        awaits = following


def _step(awaits: Any) -> tuple[FrameType | None, Any]:
    match awaits:
        case CoroutineType():
            return awaits.cr_frame, awaits.cr_await
        case GeneratorType():
            frame = awaits.gi_frame
            if frame is not None and frame.f_code is _ISOLATED:  # it drives its coroutine itself, so Python does not know it
                return frame, frame.f_locals["self"]._coroutine
            return frame, awaits.gi_yieldfrom
        case AsyncGeneratorType():
            return awaits.ag_frame, awaits.ag_await
    return None, None


_ISOLATED: CodeType = Isolated.__await__.__code__


def _shown(places: Iterable[tuple[CodeType, int | None]], text: Text | None) -> list[Frame]:
    """Places, the innermost first, as they are told: the innermost last. `text` None: without their lines."""
    found: list[Frame] = []
    for code, line in places:
        if len(found) == MOST:
            break
        file, function = cut(code.co_filename, FILE), cut(getattr(code, "co_qualname", code.co_name), FUNCTION)
        found.append(Frame(file=file, line=line, function=function, code="" if text is None else code_of(file, line, text)))
    return found[::-1]


def code_of(file: str, line: int | None, text: Text) -> str:
    """The text of a line, without secrets; empty if its file is not there."""
    source = "" if line is None else linecache.getline(file, line).strip()
    return cut(text(cut(source, 2 * CODE)), CODE)


def run_of_task(task: "asyncio.Task[Any]") -> Run | None:
    """The run whose handler has made a task; None for another one, and before Python 3.12, which does not tell."""
    return _run_of_context(getattr(task, "get_context", Context)())


def runs_in_threads() -> list[Run]:
    """The runs whose handlers, or calls of chunks, run in threads."""
    return [run for _, _, frame in _others() if (run := _run_in(frame)) is not None]


def _run_in(frame: FrameType | None) -> Run | None:
    """The run of a handler in a thread: the context in which `in_thread` has called it knows it."""
    while frame is not None:
        if frame.f_code is call.__code__ and frame.f_back is not None:
            with suppress(AttributeError, KeyError):  # of the standard library: another version may call it otherwise
                return _run_of_context(frame.f_back.f_locals["self"].fn.func.__self__)
        frame = frame.f_back
    return None


def _run_of_context(context: Context) -> Run | None:
    return context.get(current.job)


def _id(run: Run | None) -> str | None:
    return None if run is None else str(run.id)
