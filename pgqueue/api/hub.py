"""Notifications of the database for all requests of this process: one connection, whatever their number."""

import asyncio
from collections.abc import Collection, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from ..app import PgQueue

BACKSTOP = 1.0  # seconds until a wait ends in any case: a notification may be lost


class Hub:
    """Listens, and tells those who wait.

    Args:
        app: the install.
        stopping: ends all waits.

    Attributes:
        mode: "notify", or "polling: …" with the reason.
    """

    def __init__(self, app: PgQueue, stopping: asyncio.Event) -> None:
        self._app, self._stopping = app, stopping
        self.mode = "polling: not started"

    def queues(self, names: Iterable[str]) -> "Ear":
        """Hears when one of these queues may have a ready job."""
        return Ear(self)

    def ends(self, job_ids: Collection[int]) -> "Ear":
        """Hears when one of these jobs is over."""
        return Ear(self)

    def changes(self, job_ids: Collection[int]) -> "Ear":
        """Hears when one of these jobs has changed."""
        return Ear(self)

    def all_ends(self) -> "Ear":
        """Hears when any job is over."""
        return Ear(self)

    async def stop(self) -> None:
        """Close the connection, and end all waits."""


class Ear:
    """One that waits; use it as a context manager."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    async def wait(self, seconds: float) -> bool:
        """Wait for a notification, `seconds` at most, and `BACKSTOP` at most. Returns whether the process is about to end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, BACKSTOP)):
                await self._hub._stopping.wait()
        return self._hub._stopping.is_set()

    def heard(self) -> list[int] | None:
        """The jobs of the notifications since the last call; None = any of them may have changed."""
        return None
