"""A pool whose agents are processes, and what the database says of it."""

import os
import signal
from pathlib import Path
from typing import Any

import psutil

from ..cli.conftest import Process
from ..looking import Look
from ..waiting import until

LEASE = 2.0  # seconds
APP = "tests.cli.jobs:app"
# Workers that claim for a slot: one of its generation, whose process keeps its lease.
SERVED = """
    select w.slot, w.pid, w.generation, w.running from worker w
     where w.pool = %s and w.state = 'active' and not w.draining and w.heartbeat_at + w.lease > clock_timestamp()
"""


class Pool:
    """A pool of the test's database, and its agents."""

    def __init__(self, url: str, look: Look, logs: Path) -> None:
        self._url, self.look, self._logs = url, look, logs
        self.name = "mail"
        self.agents: list[Process] = []

    def make(self, wanted: int, app: str = APP, **options: Any) -> None:
        """Make the pool."""
        named = "".join(f", {name} => %s" for name in options)
        self.look.value(
            f"select make_pool(%s, %s, wanted => %s, minimum => 0, queues => '{{default}}'{named})",
            *(self.name, app, wanted, *options.values()),
        )

    def agent(
        self, slots: int, *options: str, lease: float = LEASE, url: str | None = None, inside: tuple[str, ...] = ()
    ) -> Process:
        """Start an agent. `url`: as it reaches the database; `inside`: what stands before its command."""
        environment = os.environ | {"PGQUEUE_DATABASE_URL": url or self._url, "PGQUEUE_LEASE": str(lease)}
        environment["AUDIT_URL"] = environment["PGQUEUE_DATABASE_URL"]
        arguments = ["pgqueue", "agent", self.name, "--slots", str(slots), *options]
        self.agents.append(Process(arguments, environment, self._logs / f"agent{len(self.agents)}", inside))
        return self.agents[-1]

    def scale(self, wanted: int) -> None:
        """Scale it."""
        self.look.value("select scale_pool(%s, %s)", self.name, wanted)

    def served(self) -> dict[int, int]:
        """The slots with a worker whose process runs: its process id."""
        rows = self.look.rows(SERVED, self.name)
        return {row["slot"]: row["pid"] for row in rows if is_running(row["pid"])}

    def serves(self, count: int, within: float = 30.0) -> dict[int, int]:
        """Wait until so many slots have a worker, and no more."""

        def look() -> dict[int, int]:
            served = self.served()
            return served if len(served) == count else {}

        return until(look, f"{count} workers", within)

    def serves_without(self, pids: set[int], count: int, within: float = 30.0) -> None:
        """Wait until so many slots have a worker that is none of these processes."""
        until(lambda: len(set(self.served().values()) - pids) == count, f"{count} other workers", within)

    def processes(self) -> set[int]:
        """All worker processes that run, those that end, too."""
        rows = self.look.rows("select pid from worker where pool = %s", self.name)
        return {row["pid"] for row in rows if is_running(row["pid"])}

    def end(self) -> None:
        """End what is left of its agents; their workers end with them."""
        for agent in self.agents:
            if is_running(agent.pid):
                agent.signal(signal.SIGCONT)
            agent.clean_up()

    def events(self) -> list[str]:
        """The kinds of its events."""
        return [row["kind"] for row in self.look.rows("select kind from pool_event where pool = %s order by id", self.name)]

    def start_job(self, seconds: float) -> int:
        """A job that sleeps; its handler has started."""
        return self._started("select enqueue('sleep', jsonb_build_object('seconds', %s::float8))", seconds)

    def start_held_job(self, until_there: Path) -> int:
        """A job that ends when this file is there; its handler has started."""
        return self._started("select enqueue('wait_for_file', jsonb_build_object('path', %s::text))", str(until_there))

    def _started(self, enqueue: str, argument: object) -> int:
        id: int = self.look.value(enqueue, argument)
        until(lambda: self.look.state(id) == "running", "the job runs")
        return id


def is_running(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
