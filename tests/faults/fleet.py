"""Real worker processes: started, killed, stopped and continued by their process ids."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.looking import Look
from tests.waiting import until

CHECKOUT = Path(__file__).parents[2]


class Fleet:
    """The worker processes of one test.

    Args:
        url: the test's database.
        look: a look at it.
        logs: a directory for what they write.
    """

    def __init__(self, url: str, look: Look, logs: Path) -> None:
        self._url, self._look, self._logs = url, look, logs
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(
        self, *, lease: float = 1.0, url: str | None = None, module: str = "tests.faults.run_worker", **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a worker; the options are those of run_worker, which `module` may run otherwise."""
        given = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        place = self._logs / f"worker-{len(self.processes)}.log"
        environment = {
            **os.environ,
            "PGQUEUE_DATABASE_URL": url or self._url,
            "PGQUEUE_LISTEN_URL": self._url,
            "PGQUEUE_LEASE": str(lease),
            "AUDIT_URL": self._url,
        }
        with place.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *given], cwd=CHECKOUT, env=environment, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def listening(self, count: int) -> None:
        """Wait until so many workers have started."""
        until(lambda: self._look.value("select count(*) from worker where wake_mode = 'notify'") >= count, f"{count} workers")

    def log(self, process: subprocess.Popen[bytes]) -> str:
        """What a process has written so far."""
        return (self._logs / f"worker-{self.processes.index(process)}.log").read_text(errors="replace")

    def stop_all(self) -> None:
        """End every process that is left, and fail when a graceful one does not end."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(20)
