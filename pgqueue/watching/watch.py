"""Watching a job: its state, its progress and its log lines, as they come."""

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from .._checks import invalid, is_whole
from ..client import Client
from ..database.calls import logs as log_calls
from ..database.calls.logs import Watched
from ..errors import JobNotFound
from ..waiting.late import atoo_late, too_late
from ..waiting.patience import Patience
from .line import LogLine

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between two looks, unless a notification comes
LINGERS = 0.2  # seconds after the end in which last lines may come
PAGE = 1000  # lines in one look
OVER = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class JobChange:
    """Something new about a watched job.

    Attributes:
        kind: "state" for a new state or attempt, "progress", or "log" for a new line.
        state: the state of the job.
        attempt: the attempts so far, the running one included.
        reason: why the job is over; None while it is not, and for jobs that have succeeded.
        progress: its progress, as in `Job.progress`; None if there is none, and when it is over.
        line: the new line; None for the other kinds.
    """

    kind: Literal["state", "progress", "log"]
    state: str
    attempt: int
    reason: str | None
    progress: dict[str, Any] | None
    line: LogLine | None = None


class News:
    """What is new about a job since the last look.

    Args:
        job_id: the job.
        after: lines up to this one are known.

    Raises:
        InvalidArgument: `after` is no whole number.

    Attributes:
        is_over: whether the job is over.
        is_full: whether the last look brought so many lines that there may be more.
    """

    def __init__(self, job_id: int, after: int) -> None:
        if not is_whole(after) or not 0 <= after < 2**63:
            raise invalid("after", after, "use the `seq` of a line, or 0")
        self._job_id, self._after = job_id, int(after)
        self._stands: tuple[Any, ...] = ()
        self._progress: Any = None
        self._end: list[JobChange] = []
        self._pause, self._until = FIRST_PAUSE, 0.0
        self.is_over = self.is_full = False

    def look(self) -> Any:
        """The next look, for `Patience.ask`."""
        return log_calls.watch(self._job_id, self._after, PAGE)

    def of(self, seen: Watched) -> Iterator[JobChange]:
        """The changes since the last look; a state in which the job is over is left to `end`.

        Raises:
            JobNotFound: there is no such job (any more).
        """
        if seen.state is None:
            raise JobNotFound(f"there is no job {self._job_id}; it never existed, or the history no longer keeps it")
        now = (seen.state, seen.attempt or 0, seen.reason, seen.progress)
        self.is_over = seen.state in OVER
        self.is_full = len(seen.lines) == PAGE
        if self.is_over:
            self._end = [JobChange("state", *now)]
        elif now[:2] != self._stands:
            yield JobChange("state", *now)
        self._stands = now[:2]
        for row in seen.lines:
            self._after = row["seq"]
            yield JobChange("log", *now, LogLine.from_row(row))
        if seen.progress is not None and seen.progress != self._progress:
            yield JobChange("progress", *now)
        self._progress = seen.progress

    def end(self) -> list[JobChange]:
        """The last change: the end of the job."""
        return self._end

    def pause(self, patience: Patience) -> float | None:
        """Seconds until the next look, longer and longer; None: no more looks, because the job or the time is over.

        It goes on for a moment after the end: lines of a run may be stored after its outcome.
        """
        left, now = patience.left(), time.monotonic()
        if self.is_over:
            self._until = self._until or now + LINGERS
            pause = self._until - now
        else:
            pause = self._pause
            self._pause = min(2 * pause, LONGEST_PAUSE)
        pause = pause if left is None else min(pause, left)
        return pause if pause > 0 else None


class Watchable:
    """The part of a handle on a job that reads its log and watches it."""

    __slots__ = ()
    id: int
    _client: Client

    def logs(self, after: int = 0) -> list[LogLine]:
        """What the handler has said: the last lines that are kept, oldest first.

        Args:
            after: only lines with a larger `seq`; 0 by default.

        Raises:
            JobNotFound: there is no such job (any more).
            InvalidArgument: `after` is not valid.
        """
        news, lines = News(self.id, after), list[LogLine]()
        while True:
            lines += _lines(news, self._client.database.run(news.look()))
            if not news.is_full:
                return lines

    async def alogs(self, after: int = 0) -> list[LogLine]:
        """`logs` for async code."""
        news, lines = News(self.id, after), list[LogLine]()
        while True:
            lines += _lines(news, await self._client.async_database.run(news.look()))
            if not news.is_full:
                return lines

    def watch(self, timeout: float | None = None, after: int = 0) -> Iterator[JobChange]:
        """Follow the job until it is over: its state and progress now, the lines that are kept, and then what changes.

        Workers notify about a job only while it is watched; without notifications a change is seen within about a second. The
        last change has the state in which the job is over.

        Args:
            timeout: seconds; None (default) watches without limit.
            after: only lines with a larger `seq`; 0 by default.

        Raises:
            ResultTimeout: it did not end in time, and was not cancelled; the error says why it has not ended.
            JobNotFound: there is no such job (any more).
            InvalidArgument: the timeout or `after` is not valid.
        """
        news, patience = News(self.id, after), Patience(timeout)
        with self._client.waiting.watcher((self.id,)) as waiter:
            while True:
                if (seen := patience.ask(self._client.database.run, news.look())) is not None:
                    yield from news.of(seen)
                    if news.is_full:
                        continue
                if (pause := news.pause(patience)) is None:
                    break
                waiter.pause(pause)
        yield from news.end()
        if not news.is_over:
            raise too_late(self._late_by(timeout), (self.id,), patience, self._client.database.run) from patience.error

    async def awatch(self, timeout: float | None = None, after: int = 0) -> AsyncIterator[JobChange]:
        """`watch` for async code: `async for change in job.awatch()`."""
        news, patience = News(self.id, after), Patience(timeout)
        with self._client.waiting.async_watcher((self.id,)) as waiter:
            while True:
                if (seen := await patience.aask(self._client.async_database.run, news.look())) is not None:
                    for change in news.of(seen):
                        yield change
                    if news.is_full:
                        continue
                if (pause := news.pause(patience)) is None:
                    break
                await waiter.pause(pause)
        for change in news.end():
            yield change
        if not news.is_over:
            run = self._client.async_database.run
            raise await atoo_late(self._late_by(timeout), (self.id,), patience, run) from patience.error

    def _late_by(self, timeout: float | None) -> str:
        return f"job {self.id} did not end within {timeout} s; it was not cancelled"


def _lines(news: News, seen: Watched) -> list[LogLine]:
    return [change.line for change in news.of(seen) if change.line is not None]
