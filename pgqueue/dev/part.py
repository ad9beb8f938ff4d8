"""One of the processes of `pgqueue dev`, which is started again and again."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from .lines import Lines
from .orders import Orders

KILL_AFTER = 3.0  # seconds beyond the grace


class Part:
    """A process that is started again and again. It has a process group of its own: Ctrl-C is for `pgqueue dev` alone.

    Args:
        orders: what it is to do.
        lines: takes what it says.
        on_end: told the exit code if it has ended by itself.
    """

    def __init__(self, orders: Orders, lines: Lines, on_end: Callable[[int], None]) -> None:
        self._orders, self._lines, self._on_end = orders, lines, on_end
        self._process: Process | None = None
        self._followed: asyncio.Task[None] | None = None
        self._is_stopping = False

    @property
    def name(self) -> str:
        """As its lines say."""
        return self._orders.kind

    async def start(self) -> None:
        """Start it, without waiting until it is ready."""
        await self._start(self._orders, ())

    async def start_until_ready(self) -> bool:
        """Start it, and wait until it is ready; False if it has ended before."""
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb", buffering=0):
            try:
                await self._start(replace(self._orders, ready=writing), (writing,))
            finally:
                os.close(writing)
            return bool(await _read(reading))

    async def _start(self, orders: Orders, inherited: tuple[int, ...]) -> None:
        self._is_stopping = False
        command = (sys.executable, "-m", "pgqueue.dev.child", orders.kind, orders.launch.target)  # the last two are for `ps`
        environment = os.environ | {"PYTHONUNBUFFERED": "1"} | ({"FORCE_COLOR": "1"} if self._lines.has_colours else {})
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, process_group=0, pass_fds=inherited, env=environment
        )
        self._process = process
        self._followed = asyncio.create_task(self._follow(process))
        assert process.stdin is not None
        process.stdin.write(f"{orders.to_json()}\n".encode())
        with suppress(ConnectionError):
            await process.stdin.drain()

    async def _follow(self, process: Process) -> None:
        assert process.stdout is not None
        await self._lines.copy(self.name, process.stdout)
        code = await process.wait()
        if not self._is_stopping:
            self._on_end(code)

    async def stop(self) -> None:
        """Stop it, gracefully at first."""
        process, followed = self._process, self._followed
        if process is None or followed is None:
            return
        self._is_stopping = True
        self.send(signal.SIGTERM)
        done, _ = await asyncio.wait([followed], timeout=self._orders.launch.options.grace + KILL_AFTER)
        if not done:
            self.send(signal.SIGKILL)
            await asyncio.wait([followed], timeout=KILL_AFTER)  # what it has started may still hold its stdout
            followed.cancel()
        self._process = self._followed = None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it and, if it kills, to what it has started."""
        if self._process is None or self._process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)


async def _read(pipe: int) -> bytes:
    """The first byte of a pipe; nothing if it is closed without one."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(pipe, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(pipe)
    return os.read(pipe, 1)
