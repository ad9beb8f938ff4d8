"""`--processes N`: keeps N worker processes running and stops them together."""

import asyncio
import logging
import random
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from .. import logs
from .launch import RECYCLED, REFUSED, Launch, load_with_logs
from .worker import FLUSH_WITHIN

log = logging.getLogger("pgqueue.supervisor")
FIRST_WAIT = 0.5  # seconds before a process that ended is replaced; doubles up to LONGEST_WAIT
LONGEST_WAIT = 30.0
STEADY_AFTER = 60.0  # seconds of running after which the wait starts at FIRST_WAIT again
KILL_AFTER = FLUSH_WITHIN + 5  # seconds beyond the grace; a process whose event loop is blocked does not react to a signal


def supervise(launch: Launch, processes: int, schemas: Sequence[str] = ()) -> int:
    """Run worker processes until they are stopped or, in burst mode, until nothing is left.

    Args:
        launch: what each process needs to start.
        processes: their number, for each install.
        schemas: the installs that they serve, each process one of them; empty = that of `launch`.

    Returns:
        The exit code: 0; 1 if a process had to be killed, 2 if no process can run with these settings, 128 + n after a
        second signal n.

    Raises:
        ConfigurationError: the app cannot be loaded; checked once here, not in every process.
    """
    load_with_logs(launch)
    try:
        installs = [replace(launch, schema=schema) for schema in schemas] or [launch]
        return asyncio.run(Supervisor(installs, processes).run())
    finally:
        logs.close()


class Supervisor:
    """Starts processes, replaces processes that end unexpectedly, passes signals on.

    Each process has its own process group: Ctrl-C in a terminal reaches only the supervisor, which passes it on once. The
    pipe that carries the configuration to a process also shows it when the supervisor is gone.

    Args:
        installs: what a process needs to start, for each install that is served.
        processes: their number, for each install.
    """

    def __init__(self, installs: Sequence[Launch], processes: int) -> None:
        self._installs, self._processes = installs, processes
        self._options = installs[0].options
        self._refused: set[str | None] = set()
        self._children: dict[str, Process] = {}
        self._stop = asyncio.Event()
        self._exit_code = 0

    async def run(self) -> int:
        """Supervise until all processes have ended for good; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signalled, number)
        places = [(launch, number) for launch in self._installs for number in range(1, self._processes + 1)]
        await asyncio.gather(*(self._keep(launch, self._place(launch, number)) for launch, number in places))
        return self._exit_code

    def _place(self, launch: Launch, number: int) -> str:
        """The name of a place: what the name of its worker ends with."""
        return str(number) if len(self._installs) == 1 else f"{launch.schema}-{number}"

    async def _keep(self, launch: Launch, place: str) -> None:
        """Keep one process running."""
        failures = 0
        while not self._stop.is_set():
            started = time.monotonic()
            code = await self._run_one(launch, place)
            if self._stop.is_set() or (code == 0 and self._options.burst):
                return
            if code == REFUSED and self._refuse(launch):
                return
            if code == RECYCLED:
                log.info("worker process %s ended because too many of its handlers do not end; another starts at once", place)
                continue
            failures = 1 if time.monotonic() - started > STEADY_AFTER else failures + 1
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 10)) * random.uniform(0.75, 1.0)
            log.warning("worker process %s ended (%s); another starts in %.1f s", place, _described(code), wait)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._stop.wait()

    def _refuse(self, launch: Launch) -> bool:
        """Whether this place is given up. An install that cannot be served, as before its migration, must not stop others."""
        self._refused.add(launch.schema)
        if len(self._refused) < len(self._installs) and not self._options.burst:
            return False
        self._exit_code = REFUSED
        if len(self._refused) == len(self._installs):
            self._stop_all()
        return True

    async def _run_one(self, launch: Launch, place: str) -> int:
        options = self._options
        name = options.name and f"{options.name}-{place}"
        orders = replace(launch, options=replace(options, name=name, supervised=True)).to_json()
        command = (sys.executable, "-m", "pgqueue.worker.child", launch.target)  # the target is for readers of `ps`
        child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, process_group=0)
        self._children[place] = child
        log.info("worker process %s started", place, extra={"child": child.pid})
        assert child.stdin is not None
        child.stdin.write(f"{orders}\n".encode())
        with suppress(ConnectionError):
            await child.stdin.drain()
        if self._stop.is_set():  # stopped while the process was starting
            _send(child, signal.SIGTERM)
        code = await child.wait()
        del self._children[place]
        return code

    def _signalled(self, number: int) -> None:
        if not self._stop.is_set():
            log.info("stopping %s worker processes; a second signal ends them at once", len(self._children))
            self._stop_all()
            return
        log.warning("second signal: exiting at once; unfinished jobs are rescued after the lease")
        self._exit_code = 128 + number
        self._kill_all()

    def _stop_all(self) -> None:
        self._stop.set()
        for child in self._children.values():
            _send(child, signal.SIGTERM)
        asyncio.get_running_loop().call_later(self._options.grace + KILL_AFTER, self._kill_late)

    def _kill_late(self) -> None:
        log.warning(
            "%s processes do not stop: a handler blocks them; their jobs are rescued after the lease", len(self._children)
        )
        self._exit_code = 1
        self._kill_all()

    def _kill_all(self) -> None:
        for child in self._children.values():
            _send(child, signal.SIGKILL)


def _send(child: Process, number: int) -> None:
    with suppress(ProcessLookupError):
        child.send_signal(number)


def _described(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
