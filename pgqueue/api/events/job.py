"""One job: its state, its progress and its log lines."""

import hashlib
import re
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from ...database.calls import logs as log_calls
from ...database.calls.logs import Watched
from .. import exact
from ..waiting.hub import JobEar
from .source import Event, Source, Tools, reset

OVER = ("succeeded", "failed", "cancelled")
LINGERS = 0.3  # seconds after the end in which last lines may come
PAGE = 1000  # lines of one look
MOST_BYTES = 256 * 1024  # of lines that are kept for readers
_MARK = re.compile(r"(\d{1,18})\.(\d{1,9})\.([a-z]+|-)\.([0-9a-f]{8}|-)")


class Mark(NamedTuple):
    """What a reader has been told; as text it is the id of an event.

    Attributes:
        seq: the last line.
        attempt, state: how the job stood.
        progress: a digest of its progress.
    """

    seq: int = 0
    attempt: int = 0
    state: str = "-"
    progress: str = "-"

    @classmethod
    def read(cls, text: str) -> "Mark | None":
        """The mark of this id; None if it is none."""
        found = _MARK.fullmatch(text)
        return None if found is None else cls(int(found[1]), int(found[2]), found[3], found[4])

    def __str__(self) -> str:
        return ".".join(map(str, self))


class JobSource(Source):
    """What is new about a job.

    Args:
        tools: what sources need.
        job_id: the job, which exists.
    """

    def __init__(self, tools: Tools, job_id: int) -> None:
        super().__init__(tools)
        self._id = job_id
        self._lines = deque[tuple[int, int, dict[str, Any]]]()  # seq, bytes and what is told
        self._bytes = 0
        self._seq = self._forgotten = 0  # the last line that it has seen, and the last that it has dropped
        self._now: tuple[str, int, str | None, Any] | None = None  # state, attempt, reason and progress
        self._progress = "-"
        self._ends_at: float | None = None  # when its end is told
        self._is_full = False

    def ear(self) -> JobEar:
        return self.tools.hub.changes([self._id])

    def pause(self) -> float:
        return 0.0 if self._is_full else LINGERS if self._ends_at is not None else super().pause()

    async def look(self) -> bool:
        seen = await self.tools.run(log_calls.watch(self._id, self._seq, PAGE))
        self._is_full = len(seen.lines) == PAGE
        self._keep(seen.lines)
        if seen.state is None:  # the history no longer keeps it
            self.is_over = True
            return True
        return self._stands(seen) or bool(seen.lines)

    def _stands(self, seen: Watched) -> bool:
        """Note how the job stands. Its end is told a moment later, behind the last lines."""
        assert seen.state is not None
        if self._is_full or self._must_linger(seen.state):
            return False
        before = self._now
        self._now = (seen.state, seen.attempt or 0, seen.reason, self.tools.shown({"progress": seen.progress})["progress"])
        self._progress = "-" if seen.progress is None else hashlib.sha256(exact.write(seen.progress)).hexdigest()[:8]
        self.is_over = seen.state in OVER
        return self._now != before

    def _must_linger(self, state: str) -> bool:
        if state not in OVER or self._now is None:  # a job that was over before the first look has all its lines
            self._ends_at = None
            return False
        self._ends_at = self._ends_at or time.monotonic() + LINGERS
        return time.monotonic() < self._ends_at

    def _keep(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            told = self.tools.shown(line)
            size = len(exact.write(told))
            self._lines.append((line["seq"], size, told))
            self._seq, self._bytes = line["seq"], self._bytes + size
        while self._bytes > MOST_BYTES:
            self._forgotten, size, _ = self._lines.popleft()
            self._bytes -= size

    def after(self, mark: str | None) -> Iterator[Event]:
        told = Mark() if mark is None else Mark.read(mark)
        if told is None or told.seq > self._seq:
            told = Mark()
            yield reset(str(told), "the id is none of this job")
        if told.seq < self._forgotten:
            told = told._replace(seq=self._forgotten)
            yield reset(str(told), "there were more lines than are kept for a slow reader")
        for seq, _, line in list(self._lines):
            if seq > told.seq:
                told = told._replace(seq=seq)
                yield Event(str(told), "log", line)
        if self._now is not None:
            yield from self._standing(told)

    def _standing(self, told: Mark) -> Iterator[Event]:
        assert self._now is not None
        state, attempt, reason, progress = self._now
        if progress is not None and self._progress != told.progress:
            told = told._replace(progress=self._progress)
            yield Event(str(told), "progress", progress)
        if (state, attempt) != (told.state, told.attempt):
            told = told._replace(state=state, attempt=attempt)
            yield Event(str(told), "state", {"state": state, "attempt": attempt, "reason": reason, "is_over": state in OVER})


def is_told(mark: str | None, state: str, attempt: int) -> bool:
    """Whether the reader with this mark has been told that the job, which stands so, is over."""
    told = Mark.read(mark) if mark else None
    return state in OVER and told is not None and (told.state, told.attempt) == (state, attempt)
