"""A workflow: how many of its nodes are in which state."""

import hashlib
import time
from collections.abc import Iterator
from typing import Any

from ...database.calls import workflows as calls
from .. import exact
from ..waiting.hub import JobEar
from .source import TICK, Event, Source, Tools

SHARE = 10  # looks take a tenth of the time at most: each counts all nodes


class WorkflowSource(Source):
    """The progress of a workflow.

    Args:
        tools: what sources need.
        workflow_id: the workflow, which exists.
    """

    def __init__(self, tools: Tools, workflow_id: int) -> None:
        super().__init__(tools)
        self._id = workflow_id
        self._progress: dict[str, Any] | None = None
        self._mark = ""
        self._pause = TICK

    def ear(self) -> JobEar:
        return self.tools.hub.changes([])

    def pause(self) -> float:
        return self._pause

    async def look(self) -> bool:
        began = time.monotonic()
        found = await self.tools.run(calls.progress(self._id))
        self._pause = max(TICK, SHARE * (time.monotonic() - began))
        before, self._mark = self._mark, mark_of(found)
        self._progress = told(found, self.tools) or self._progress
        self.is_over = not found or is_over(found)
        return self._mark != before or self.is_over

    def after(self, mark: str | None) -> Iterator[Event]:
        if self._progress is not None and mark != self._mark:
            yield Event(self._mark, "progress", self._progress)


def told(found: list[dict[str, Any]], tools: Tools) -> dict[str, Any] | None:
    """The progress as it is told."""
    if not found:
        return None
    shown: dict[str, Any] = tools.shown({**found[0], "is_over": is_over(found)})
    return shown


def is_over(found: list[dict[str, Any]]) -> bool:
    """Whether a workflow with this progress is over."""
    return bool(found[0]["status"] != "running")


def mark_of(found: list[dict[str, Any]]) -> str:
    """The mark of a reader that has been told this progress."""
    return hashlib.sha256(exact.write(found)).hexdigest()[:16]
