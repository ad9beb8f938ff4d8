"""An install at one moment."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Protocol, TypeVar

from ..database import Call
from ..database.call import Records
from ..database.calls import doctor as doctor_calls
from ..database.calls import queues as queue_calls
from ..database.calls import reads
from ..database.calls.doctor import Finding
from ..database.calls.metrics import Metrics
from ..database.calls.queues import Pause
from .worker_rates import WorkerRates

T = TypeVar("T")
FRESH = 5.0  # seconds for which figures are kept: a minute is closed once
WITHIN = 8.0  # seconds for an answer; the page waits for none longer


class Runs(Protocol):
    """What runs a call."""

    def run(self, call: Call[T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An install at one moment.

    Attributes:
        at: when, on the clock of the database.
        queues: rows of the view `queues`.
        workers: rows of the view `worker_status`, with the `rate` of runs in a second; those that were lost stay in it for a day.
        pauses: what is paused.
        metrics: what happened up to the last closed minute.
        findings: what workers have found wrong lately, see `pgqueue doctor`.
    """

    at: datetime
    queues: Records
    workers: Records
    pauses: list[Pause]
    metrics: Metrics
    findings: list[Finding]

    def total(self, state: str) -> int:
        """The live jobs of all queues in a state."""
        return sum(queue[state] for queue in self.queues)

    def alive(self) -> Records:
        """The workers that have not missed their lease, in the order of their names."""
        alive = [worker for worker in self.workers if worker["status"] != "DEAD"]
        return sorted(alive, key=lambda worker: (worker["name"], str(worker["id"])))

    def dead(self, within: timedelta) -> Records:
        """The workers that have been dead for no longer than this."""
        return [one for one in self.workers if one["status"] == "DEAD" and self.at - one["heartbeat_at"] <= within]


class Observer:
    """Takes snapshots with little work: the figures of closed minutes are read again only now and then.

    Args:
        database: runs the calls.
        metrics: makes the call for the figures.
    """

    def __init__(self, database: Runs, metrics: Callable[[], Call[Metrics]]) -> None:
        self._database, self._call = database, metrics
        self._metrics: Metrics | None = None
        self._findings: list[Finding] = []
        self._read_at = 0.0
        self._rates = WorkerRates()

    def look(self) -> Snapshot:
        """The install now."""
        metrics = self._figures()
        at = metrics.asked_at + timedelta(seconds=monotonic() - self._read_at)
        queues, workers = self._run(queue_calls.queues()), self._rates.add(self._run(reads.workers()))
        return Snapshot(at, queues, workers, self._run(queue_calls.pauses()), metrics, self._findings)

    def _figures(self) -> Metrics:
        if self._metrics is None or monotonic() - self._read_at > FRESH:
            self._metrics = self._run(self._call())
            self._read_at = monotonic()
            self._findings = self._run(doctor_calls.findings())
        return self._metrics

    def _run(self, call: Call[Any]) -> Any:
        return self._database.run(replace(call, within=WITHIN))
