"""Tells the database of worker processes that were killed, so that their jobs run again at once and not after the lease."""

import asyncio
import logging
import signal
import time
from collections import deque
from contextlib import suppress
from uuid import UUID

from ..database import Connections, Link
from ..database.call import Call
from ..database.calls import workers as worker_calls
from ..database.calls.workers import Lost
from ..database.connections import Circuit
from ..database.statement import Statements
from ..errors import Disconnected
from ..worker.status import MOST_RUNNING
from .death import Death
from .oom import LOOK_EVERY, OomWatch

log = logging.getLogger("pgqueue.supervisor")
MOST = 1000  # deaths that wait for the database
STATUS_AGE = 1.0  # seconds by which the last status of a process may be old
PAUSE = 1.0  # seconds before a call that was refused or not answered is repeated
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # by which people and service managers stop a process


class Burials:
    """Buries workers, one after another, on a connection that is open only meanwhile. Nothing waits for it.

    Args:
        url: of the database.
        statements: those of the install.
        oom: tells whether the kernel has killed for memory.
    """

    def __init__(self, url: str, statements: Statements, oom: OomWatch | None = None) -> None:
        self._connections = Connections(url, "pgqueue supervisor", Circuit())
        self._link = Link(self._connections, statements, "burials")
        self._oom = oom or OomWatch()
        self._dead: deque[tuple[Death, float]] = deque(maxlen=MOST)
        self._wake, self._done = asyncio.Event(), asyncio.Event()
        self._done.set()

    def add(self, death: Death) -> None:
        """A process has ended: bury its worker soon."""
        death = self._named(death)
        if death.worker_id is not None:
            self._dead.append((death, time.monotonic()))
            self._done.clear()
            self._wake.set()

    async def run(self) -> None:
        """Bury until cancelled."""
        try:
            while True:
                self._oom.look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._wake.wait()
                await self._bury_all()
        finally:
            await self._connections.close()

    async def drain(self, seconds: float) -> None:
        """Wait until all are buried, but no longer than this."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._done.wait()

    def _named(self, death: Death) -> Death:
        """A process that was killed, and by the kernel for its memory as far as one can see, has that reason."""
        if death.reason == "killed" and death.code == -signal.SIGKILL and self._oom.has_killed():
            return death.because_of("memory")
        return death

    async def _bury_all(self) -> None:
        self._wake.clear()
        while self._dead:
            death, at = self._dead[0]
            if not await self._bury(death, at):
                await asyncio.sleep(PAUSE)
                continue
            if self._dead and self._dead[0][0] is death:  # else it had to make room
                self._dead.popleft()
        await self._connections.close()
        self._done.set()

    async def _bury(self, death: Death, at: float) -> bool:
        """Bury one; False if the database did not answer: it is asked again."""
        try:
            taken = await self._link.run(lambda: burial(death, time.monotonic() - at + STATUS_AGE))
        except (Disconnected, OSError):  # such as no file that is left to open
            return False
        except Exception as error:  # any error: one death that cannot be told must not keep the next ones from it
            log.error("worker %s could not be buried, its jobs are rescued after its lease: %s", death.worker_id, error)
            return True
        if taken:
            log.warning(
                "%s jobs of worker %s were taken back; they run again, or are dead letters: %s", taken, death.worker_id, death
            )
        return True


def burial(death: Death, age: float) -> Call[int]:
    """The call that buries the worker of a process. `age`: for how many seconds what it has said of its jobs has been known."""
    assert death.worker_id is not None
    # A status that is full has left some out, and would say of those that they have not begun: the last heartbeat knows better.
    running = list(death.running) if len(death.running) < MOST_RUNNING else None
    return worker_calls.bury_worker(UUID(death.worker_id), str(death), lost_by(death), running, age)


def lost_by(death: Death) -> Lost:
    """What a death says of the jobs that ran: whether one of them may have caused it."""
    if death.reason == "memory":
        return "memory"
    stopped = {-number for number in SIGNALS} | {128 + number for number in SIGNALS}
    return "worker_shutdown" if death.reason == "late" or death.code in stopped else "crashed"
