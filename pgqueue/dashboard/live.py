"""The stream of a page: signals that something has changed, and nothing else. The page asks anew for what it shows."""

import asyncio
from collections.abc import Iterator

from ..api.events.source import Event, Source, Tools
from ..api.health.replica import Replica
from ..api.waiting.hub import JobEar
from ..database.calls import install as calls
from .shared import Shared

PATIENCE = 1.2  # seconds for a look: a page says within two that the database does not answer
QUIET, BUSY = 0.4, 1.0  # seconds between looks while nothing happens, and while something does


class Changes(Source):
    """Whether anything has been written to the database.

    Every look is one call, for all who look, which reads no table: the transactions that have an id. So it misses nothing, needs
    no LISTEN, and costs workers nothing. What others write to the same server is a signal, too; a page that asks then is told
    that nothing has changed.

    Args:
        tools: what sources need.
        answers: that are older than a change.
        replica: which has a change some time later; pages may show what it has.
    """

    def __init__(self, tools: Tools, answers: Shared, replica: Replica | None = None) -> None:
        super().__init__(tools)
        self._answers, self._replica = answers, replica
        self._seen: str | None = None
        self._count, self._pause = 0, QUIET
        self._is_down = False

    def ear(self) -> JobEar:
        return self.tools.hub.changes([])

    async def look(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                seen = await self.tools.run(calls.written_so_far())
                if self._replica is not None:
                    seen += await self._replica.written_so_far()
        except Exception:  # what it was, a page is told when it asks
            is_new, self._is_down = not self._is_down, True
            self._pause = BUSY
            return is_new
        is_new = self._is_down or (self._seen is not None and seen != self._seen)
        self._seen, self._is_down = seen, False
        self._pause = BUSY if is_new else QUIET
        if is_new:
            self._count += 1
            self._answers.forget()
        return is_new

    def pause(self) -> float:
        return self._pause

    def after(self, mark: str | None) -> Iterator[Event]:
        now = f"{self._count}{'d' if self._is_down else ''}"
        if mark != now:
            yield Event(now, "down" if self._is_down else "changed", {})
