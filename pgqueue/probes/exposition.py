"""Figures of processes as Prometheus reads them, in its text format. They need no database: see the metrics of the REST API."""

from collections.abc import Callable
from typing import NamedTuple

from ..worker.status import State, Status
from .seen import Seen

TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATES: tuple[State, ...] = ("booting", "ready", "draining")


class Family(NamedTuple):
    """A metric that each process has.

    Attributes:
        kind: gauge or counter.
        says: what it is, in one line.
        of: its value; None = it is not known.
    """

    kind: str
    says: str
    of: Callable[[Status], float | None]


FAMILIES = {
    "pgqueue_process_connected": Family("gauge", "1 if the database answers this process.", lambda s: s.connected),
    "pgqueue_process_running_jobs": Family("gauge", "Jobs whose handlers run; 1,000 at most.", lambda s: len(s.running)),
    "pgqueue_process_jobs_done_total": Family("counter", "Runs that have succeeded since its start.", lambda s: s.done),
    "pgqueue_process_jobs_failed_total": Family("counter", "Runs that have failed since its start.", lambda s: s.failed),
    "pgqueue_process_resident_memory_bytes": Family("gauge", "Bytes of its resident memory.", lambda s: s.memory),
    "pgqueue_process_loop_lag_seconds": Family(
        "gauge", "For how long its event loop was blocked at the longest, between its last two heartbeats.", lambda s: s.lag
    ),
    "pgqueue_process_loop_age_seconds": Family("gauge", "Seconds since its event loop has turned.", lambda s: s.turned),
    "pgqueue_process_claim_age_seconds": Family("gauge", "Seconds since its claim loop made progress.", lambda s: s.claimed),
}


def exposition(seen: Seen) -> str:
    """The text. The label `process` is the number of a process, from 1 on."""
    lines = [*_head("pgqueue_processes_wanted", "gauge", "Processes that shall run."), f"pgqueue_processes_wanted {seen.wanted}"]
    lines += _head("pgqueue_process_state", "gauge", "1 for the state of a process: booting, ready or draining.")
    for number, status in enumerate(seen.statuses, 1):
        lines += [f'pgqueue_process_state{{process="{number}",state="{state}"}} {int(status.state == state)}' for state in STATES]
    for name, family in FAMILIES.items():
        lines += _head(name, family.kind, family.says)
        values = [(number, family.of(status)) for number, status in enumerate(seen.statuses, 1)]
        lines += [f'{name}{{process="{number}"}} {_number(value)}' for number, value in values if value is not None]
    return "\n".join(lines) + "\n"


def _head(name: str, kind: str, says: str) -> list[str]:
    return [f"# HELP {name} {says}", f"# TYPE {name} {kind}"]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}"
