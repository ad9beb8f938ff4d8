"""How many runs each worker ends in a second, between its last two heartbeats."""

from datetime import datetime
from typing import Any, NamedTuple


class _Beat(NamedTuple):
    at: datetime
    runs: int
    rate: float | None


class WorkerRates:
    """Compares what workers say with what they said before."""

    def __init__(self) -> None:
        self._beats: dict[Any, _Beat] = {}

    def add(self, workers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The same rows with `rate`; None until two heartbeats of a worker were seen."""
        self._beats = {worker["id"]: self._beat(worker) for worker in workers}
        return [worker | {"rate": self._beats[worker["id"]].rate} for worker in workers]

    def _beat(self, worker: dict[str, Any]) -> _Beat:
        at, runs, before = worker["heartbeat_at"], worker["done"] + worker["failed"], self._beats.get(worker["id"])
        if before is None or at == before.at:
            return before or _Beat(at, runs, None)
        seconds = (at - before.at).total_seconds()
        return _Beat(at, runs, max(0, runs - before.runs) / seconds if seconds > 0 else None)
