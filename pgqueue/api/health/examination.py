"""Doctor for many callers: one examination at a time, and its findings for some seconds."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from ...database.calls.doctor import Finding
from ...doctor import examine
from ...registry import Registry

KEPT = 5.0  # seconds for which findings are answered again


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found.

    Attributes:
        at: when the examination began, on the clock of this process.
        checks: how many checks were made, or tried.
        findings: what is wrong, the worst first.
    """

    at: datetime
    checks: int
    findings: list[Finding]


class Examinations:
    """Examines an install for whoever asks: an examination has a connection and a thread of its own, so there is one at a time.

    Args:
        app: the app.
    """

    def __init__(self, app: Registry) -> None:
        self._app = app
        self._going: asyncio.Task[Examined] | None = None
        self._until = 0.0

    async def latest(self) -> Examined:
        """The findings of the examination that goes on, or of the last one if it is not older than `KEPT`, or of a new one."""
        going = self._going
        if going is None or (going.done() and (time.monotonic() >= self._until or _has_failed(going))):
            going = self._going = asyncio.create_task(self._examine())
        return await asyncio.shield(going)  # a caller who goes away does not end it for the others

    async def _examine(self) -> Examined:
        began = datetime.now(UTC)
        found = await asyncio.to_thread(examine, self._app)
        self._until = time.monotonic() + KEPT
        return Examined(began, found.checks, found.findings)


def _has_failed(task: "asyncio.Task[Examined]") -> bool:
    return task.cancelled() or task.exception() is not None
