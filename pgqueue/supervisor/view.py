"""What there is to say of a place, and of how its processes end."""

from dataclasses import dataclass

from ..worker.status import Status
from .death import described
from .place import Place
from .process import Process


@dataclass(frozen=True, slots=True)
class View:
    """What runs in a place.

    Attributes:
        pid: the process; None while there is none.
        status: what it has said last.
        rss: bytes of its resident memory.
        age: seconds since it was ready.
        leaving: further processes, which have to end.
        failures: failures in a row.
        last_error: the end of the last process, in words; None if it was none that has failed.
    """

    pid: int | None
    status: Status | None
    rss: int
    age: float
    leaving: int
    failures: int
    last_error: str | None


def why_recycled(status: Status) -> str:
    """Why a process has ended with exit code 75, in words."""
    return "it was told to restart" if status.drained else "too many of its handlers do not end"


def error_of(process: Process) -> str:
    """The end of a process in words: why it was killed, or what it has said last, and its exit code."""
    if (death := process.death()).reason in ("boot", "memory", "stuck"):
        return str(death)
    said = process.status.last_error if process.status.state != "ready" else None
    return f"{said} ({described(process.code or 0)})" if said else described(process.code or 0)


def view_of(place: Place) -> View:
    """What runs in a place now."""
    process, leaving = place.process or place.successor, len(place.leaving)
    if process is None:
        return View(None, None, 0, 0.0, leaving, place.failures, place.last_error)
    return View(process.pid, process.status, process.rss, process.age, leaving, place.failures, place.last_error)
