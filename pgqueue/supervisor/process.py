"""One process of a crew: starts it by exec, hears it, tells it, ends it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from ..worker.ending import FLUSH_WITHIN
from ..worker.launch import RECYCLED, REFUSED, Launch
from ..worker.memory import rss
from ..worker.status import Status
from .death import Death, Reason
from .pipe import DRAIN, Sender, Statuses
from .recycle import Limits, Recycling

CHILD = "pgqueue.supervisor.child"
KILL_AFTER = FLUSH_WITHIN + 5  # seconds beyond the grace; a process whose event loop is blocked does not react to a signal
LOOK_AT_MEMORY = 2.0  # seconds between two looks
TURNS = 5.0  # seconds; an event loop that answers sooner turns


class Process:
    """A process that runs a worker. It has a process group of its own: Ctrl-C in a terminal is for its supervisor alone.

    It is started by exec and never by a bare fork: it shares neither memory, nor locks, nor connections with its supervisor.

    Args:
        launch: what it runs.
        recycling: when it is to be replaced.
        on_change: called when it has said something.

    Attributes:
        pid: its id.
        status: what it has said last.
        rss: bytes of its resident memory at the last look; 0 before.
        limits: its own share of the limits.
        ready_at: on time.monotonic(), when it was ready; None before.
        code: how it has ended; below 0 the number of a signal; None while it runs.
    """

    def __init__(self, launch: Launch, recycling: Recycling, on_change: Callable[[], object]) -> None:
        self.launch, self._recycling, self._on_change = launch, recycling, on_change
        self.limits, self.status, self.rss = Limits(recycling), Status(), 0
        self.started = self._heard = self._looked = time.monotonic()
        self.ready_at: float | None = None
        self.code: int | None = None
        self._booted_for = 0.0
        self._is_ending = self._has_spoken = False
        self._kill_at: float | None = None
        self._reason: Reason | None = None
        self._start()

    def _start(self) -> None:
        reading, writing = os.pipe()
        try:
            command = (sys.executable, "-m", CHILD, self.launch.target, str(writing))  # TARGET is for `ps`
            self._popen = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(writing,), process_group=0)  # noqa: S603
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self.pid = self._popen.pid
        assert self._popen.stdin is not None
        self._orders = Sender(os.dup(self._popen.stdin.fileno()))
        self._popen.stdin.close()
        options = replace(self.launch.options, supervised=True)
        self._orders.send(replace(self.launch, options=options).to_json())
        self._statuses = Statuses(reading, self._said)

    def _said(self, status: Status) -> None:
        self.status, self._heard, self._has_spoken = status, time.monotonic(), True
        if status.state == "ready" and self.ready_at is None:
            self.ready_at = time.monotonic()
        self._on_change()

    @property
    def age(self) -> float:
        """Seconds since it was ready; 0 before."""
        return 0.0 if self.ready_at is None else time.monotonic() - self.ready_at

    def drain(self) -> None:
        """Let it end when its handlers have, without a limit of time."""
        self._is_ending = True
        self._orders.send(DRAIN)

    def stop(self) -> None:
        """Let it end within its grace; it is killed if it does not."""
        self._is_ending = True
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self.launch.options.grace + KILL_AFTER
        self._send(signal.SIGTERM)

    def dump(self) -> None:
        """Let it write the stacks of all its threads to stderr."""
        if self._has_spoken:  # before, the signal would end it
            self._send(signal.SIGUSR1)

    def kill(self, reason: Reason) -> None:
        """End it at once, with the programs that its handlers have started: its jobs are about to run elsewhere."""
        self._reason = self._reason or reason
        if self.code is None:
            self._kill_group()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):  # of macOS, if it has ended
            os.killpg(self.pid, signal.SIGKILL)

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self._popen.send_signal(number)

    def look(self, since: float) -> Reason | None:
        """Look after it: whether it lives, how much memory it has, and whether it must be killed, and why.

        Args:
            since: seconds since the last look.
        """
        self._orders.flush()
        if self._reason is not None:  # it is killed already
            return None
        now = time.monotonic()
        if now - self._looked >= LOOK_AT_MEMORY or (self.rss == 0 and self.ready_at is not None):
            self._looked, self.rss = now, rss(self.pid) or self.rss
        hard = self._recycling.max_memory_hard
        if hard and self.rss > hard:
            return "memory"
        if self._kill_at is not None:
            return "late" if now >= self._kill_at else None
        return self._never_ready(since) if self.ready_at is None and not self._is_ending else self._silent(now)

    def _never_ready(self, since: float) -> Reason | None:
        waits_for_database = self.status.worker is not None and not self.status.connected and self._silent_for() < TURNS
        self._booted_for += 0.0 if waits_for_database else since
        return "boot" if self._booted_for >= self._recycling.boot_timeout else None

    def _silent(self, now: float) -> Reason | None:
        return "stuck" if self._silent_for() >= self._recycling.stuck_after else None

    def _silent_for(self) -> float:
        """Seconds without a sign of life of its event loop, or of its claim loop."""
        return time.monotonic() - self._heard + max(self.status.turned, self.status.claimed)

    def has_ended(self) -> bool:
        """Whether it has ended; then `code` says how."""
        if self.code is None and (code := self._popen.poll()) is not None:
            if code < 0:  # what it has left behind goes, too; no other process gets its number while there is any
                self._kill_group()
            self._statuses.read()  # its last words
            self._statuses.close()
            self._orders.close()
            self.code = code
        return self.code is not None

    def has_handed_in(self) -> bool:
        """Whether it has ended by itself, so that it holds nothing any more. A handler may end its process with any exit code."""
        return self.code in (0, RECYCLED, REFUSED) and (self.ready_at is None or self.status.state == "draining")

    def death(self) -> Death:
        """How it has ended, for a process that could not hand in what it held."""
        assert self.code is not None
        reason: Reason = self._reason or ("killed" if self.code < 0 else "exited")
        return Death(self.status.worker, self.code, reason, self.rss, self.status.running)
