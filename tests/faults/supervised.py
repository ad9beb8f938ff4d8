"""Supervisors as processes, the worker processes of each, and what the database says of them."""

import os
import signal
from pathlib import Path
from typing import Any, LiteralString

import psutil

from tests.cli.conftest import Process
from tests.looking import Look
from tests.pools.agents import is_running
from tests.waiting import until

APP = "tests.faults.tasks:app"
READY: LiteralString = """
    select pid from worker
     where state = 'active' and not draining and wake_mode = 'notify' and heartbeat_at + lease > clock_timestamp()
"""


class Supervisors:
    """The supervisors of one test, `pgqueue worker --processes N`.

    Args:
        url: the test's database.
        look: a look at it.
        logs: a directory for what they write.
    """

    def __init__(self, url: str, look: Look, logs: Path) -> None:
        self._url, self._look, self._logs = url, look, logs
        self._started: list[Process] = []
        self._seen: set[int] = set()

    def start(self, processes: int, *options: Any, lease: float = 1.0) -> Process:
        """Start a supervisor."""
        environment = os.environ | {"PGQUEUE_DATABASE_URL": self._url, "PGQUEUE_LEASE": str(lease), "AUDIT_URL": self._url}
        arguments = ["pgqueue", "worker", APP, "--processes", str(processes), *map(str, options)]
        self._started.append(Process(arguments, environment, self._logs / f"supervisor-{len(self._started)}.log"))
        return self._started[-1]

    def children(self, supervisor: Process) -> set[int]:
        """Its worker processes, those that boot, too."""
        try:
            found = {child.pid for child in psutil.Process(supervisor.pid).children()}
        except psutil.NoSuchProcess:
            return set()
        self._seen |= found
        return {pid for pid in found if is_running(pid)}

    def ready(self, supervisor: Process) -> set[int]:
        """Its worker processes that claim."""
        return self.children(supervisor) & {row["pid"] for row in self._look.rows(READY)}

    def are_ready(self, supervisor: Process, count: int, within: float = 30.0) -> set[int]:
        """Wait until so many of its worker processes claim, and there are no others."""

        def look() -> set[int]:
            ready = self.ready(supervisor)
            return ready if len(ready) == count == len(self.children(supervisor)) else set()

        return until(look, f"{count} worker processes", within)

    def strays(self) -> set[int]:
        """Processes whose supervisor is gone."""
        kept = set[int]().union(*(self.children(supervisor) for supervisor in self._started))
        return {pid for pid in self._seen - kept if is_running(pid)}

    def kill_all(self, supervisor: Process) -> None:
        """What a service manager does at its last: SIGKILL for the supervisor and for all of its processes."""
        children = self.children(supervisor)
        kill(supervisor.pid)  # first, else it would bury the others
        supervisor.ends()
        for pid in children:
            kill(pid)
        until(lambda: not any(map(is_running, children)), "their end")

    def end(self) -> None:
        """End what is left."""
        for supervisor in self._started:
            for pid in [supervisor.pid, *self.children(supervisor)]:
                if is_running(pid):
                    os.kill(pid, signal.SIGCONT)
            supervisor.clean_up()
            print(f"--- supervisor {supervisor.pid}\n{supervisor.log()[-4000:]}")
        try:
            until(lambda: not self.strays(), "the end of all worker processes")
        finally:
            for pid in self.strays():
                kill(pid)


def kill(pid: int) -> bool:
    """Kill it; whether there was anything to kill."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
