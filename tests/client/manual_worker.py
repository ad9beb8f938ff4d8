"""A worker that a test drives: it ends the jobs of a workflow one by one, as a test wants them to end."""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from tests.looking import Look

ERROR = {"type": "ValueError", "types": ["ValueError"], "message": "no such page", "traceback": "Traceback: no such page"}


class ManualWorker:
    """Claims and finishes jobs on a connection of its own."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._look = Look(connection)
        self._worker = uuid.uuid4()
        self._look.value(
            "select register_worker(%s, 'manual worker', 'host', 1, '0', '{default}', 1, interval '1 h')::text", self._worker
        )

    def claim(self) -> list[dict[str, Any]]:
        """Every job that is ready, with the token of its claim."""
        token = uuid.uuid4()
        rows = self._look.rows("select * from claim(%s, %s, '{default}', 1000)", self._worker, token)
        return [{**row, "token": token} for row in rows if row["id"] is not None]  # else it says that jobs wait for a limit

    def finish(self, job: Mapping[str, Any], addition: list[dict[str, Any]] | None = None, **outcome: Any) -> None:
        """End a claimed job; succeeded unless the outcome says otherwise."""
        ended = {"id": job["id"], "token": str(job["token"]), "state": "succeeded", **outcome}
        additions = None if addition is None else json.dumps([{"id": job["id"], "nodes": addition}])
        self._look.rows("select * from finish(%s, %s)", json.dumps([ended]), additions)

    def fail(self, job: Mapping[str, Any]) -> None:
        """End a claimed job for good."""
        self.finish(job, state="failed", error=ERROR, final=True)

    def run(self, results: Mapping[str, Any] | Callable[[dict[str, Any]], Any] = {}, failing: str = "") -> list[str]:  # noqa: B006
        """Run all that can run; the names of the nodes (of plain jobs the tasks) in the order in which they ran.

        Args:
            results: by name, or made of the job; None for what is not there.
            failing: the node that becomes a dead letter.
        """
        ran = []
        while jobs := self.claim():
            for job in sorted(jobs, key=lambda job: int(job["id"])):
                name = (job["node"] or {}).get("name") or job["task"]
                ran.append(name)
                if name == failing:
                    self.fail(job)
                else:
                    self.finish(job, result=results(job) if callable(results) else results.get(name))
        return ran
