"""A session of development: watches files, keeps a worker and the dashboard at the state of the code, until Ctrl-C."""

import asyncio
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from watchfiles import PythonFilter, awatch

from ..worker.launch import RECYCLED, Launch
from .lines import Lines
from .orders import Orders
from .part import Part

DEBOUNCE = 200  # ms for which changes are gathered: an editor writes a file in several steps
NEVER = "for development only: it starts again whenever a file changes; in production use pgqueue worker and pgqueue serve"


class Session:
    """Watches until it is stopped.

    Args:
        launch: the app, and how its worker works.
        port: where the dashboard is served.
        watched: directories.
        lines: takes what all say.
    """

    def __init__(self, launch: Launch, port: int, watched: list[Path], lines: Lines) -> None:
        self._lines, self._port, self._watched = lines, port, watched
        self._worker = Part(Orders("worker", launch), lines, self._worker_ended)
        self._server = Part(Orders("server", launch, port), lines, self._server_ended)
        self._beginning: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Go on until a signal; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signalled, number)
        self._say(NEVER)
        self._say(f"dashboard: http://127.0.0.1:{self._port}")
        self._say(f"watching {', '.join(map(str, self._watched))}; Ctrl-C ends all")
        self._begin()
        watching = asyncio.create_task(self._watch())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait([watching, stopping], return_when=asyncio.FIRST_COMPLETED)
        try:
            if watching.done():
                watching.result()  # it ends only with an error, such as a directory that is gone
        finally:
            watching.cancel()
            await self._give_up()
            await asyncio.gather(self._worker.stop(), self._server.stop())
        return 0

    async def _watch(self) -> None:
        async for changes in awatch(*self._watched, watch_filter=PythonFilter(), debounce=DEBOUNCE):
            self._say(f"{_named(path for _, path in changes)} changed: starting again")
            await self._give_up()
            self._begin()

    def _begin(self) -> None:
        self._beginning = asyncio.create_task(self._start())

    async def _give_up(self) -> None:
        """Wait no longer for a start, such as of a module that waits for something while it is imported."""
        if self._beginning is not None:
            self._beginning.cancel()
            with suppress(asyncio.CancelledError):
                await self._beginning

    async def _start(self) -> None:
        """Start the worker and, once its code is known to be good, the dashboard, which shows the tasks of the same code."""
        await self._worker.stop()
        if await self._worker.start_until_ready():
            await self._server.stop()
            await self._server.start()

    def _worker_ended(self, code: int) -> None:
        if code == RECYCLED:
            self._begin()
            return
        self._say(f"the worker has ended (exit code {code}); it starts again when a file is saved")

    def _server_ended(self, code: int) -> None:
        self._say(f"the dashboard has ended (exit code {code}); it starts again when a file is saved")

    def _signalled(self, number: int) -> None:
        if self._stop.is_set():
            for part in (self._worker, self._server):
                part.send(signal.SIGKILL)
            return
        self._say("stopping; a second signal ends all at once")
        self._stop.set()

    def _say(self, text: str) -> None:
        self._lines.write("dev", text)


async def watch(launch: Launch, port: int, watched: list[Path], lines: Lines) -> int:
    """Run a session, see `Session`; the exit code."""
    return await Session(launch, port, watched, lines).run()


def _named(paths: Iterable[str]) -> str:
    names = sorted({os.path.relpath(path) for path in paths})
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
