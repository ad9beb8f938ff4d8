"""A replica for what may be some seconds old: it is asked while it is near enough, and the primary otherwise."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import psycopg

from ...database.backoff import first_line
from ...database.call import Call
from ...database.calls.install import written_so_far
from ...database.calls.replica import Position, position
from ...database.pools import AsyncPool
from ...errors import NoConnection, PgQueueError
from .breaker import is_unreachable

log = logging.getLogger("pgqueue.api")
T = TypeVar("T")
MOST_LAG = 10.0  # seconds; one that is further behind is not asked
EVERY = 1.0  # seconds from one look to the next, while it is in use
IN_USE = 60.0  # seconds after the last question
LOOK_WITHIN = 1.0  # seconds for its answer to a look
PAUSES = (0.0, 0.02, 0.1, 0.3)  # seconds between the questions of one look, while it is not as far as the primary was
MARKS = 64  # looks whose places are known
WRITERS = 10_000  # callers of whom it is known when they have written
# Its own reasons to refuse what the primary may answer: it has applied a change that the question was in the way of (40001,
# 40P01), or the question would write (25006).
_OWN = ("25006", "40001", "40P01")
_Run = Callable[[Call[Position]], Awaitable[Position]]


class Replica:
    """Knows up to which moment a replica has everything, by this process's clock alone.

    A look notes the time, asks the primary for its place in the write-ahead log, and then the replica for its own: once that has
    reached the place, it has all that was committed at the noted time. So a time of no other clock is compared, and a quiet
    primary does not look like a late replica.

    Args:
        ask_primary: runs a call on the primary.
        pool: connections to the replica.
        stopping: ends the looks.
    """

    def __init__(self, ask_primary: _Run, pool: AsyncPool, stopping: asyncio.Event) -> None:
        self._ask_primary, self._pool, self._stopping = ask_primary, pool, stopping
        self._marks: deque[tuple[float, int]] = deque(maxlen=MARKS)
        self._as_of: float | None = None
        self._looked_at = self._asked_at = 0.0
        self._is_complained_of = False
        self._wrote: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def lag(self) -> float | None:
        """Seconds by which it was behind at the last look, at most; None = it is not asked."""
        if self._as_of is None or time.monotonic() - self._as_of > MOST_LAG:
            return None
        return max(0.0, self._looked_at - self._as_of)

    def note_write(self, who: str) -> None:
        """Somebody may have changed something until now: what they read must show it."""
        self._wrote.pop(who, None)
        self._wrote[who] = time.monotonic()
        while len(self._wrote) > WRITERS:
            del self._wrote[next(iter(self._wrote))]

    def serves(self, who: str | None) -> bool:
        """Whether it has all that this caller must see. It is looked at from now on."""
        self._start()
        wrote_at = self._wrote.get(who, 0.0) if who is not None else 0.0
        return self.lag is not None and self._as_of is not None and self._as_of > wrote_at

    async def run(self, call: Call[T]) -> T:
        """Run a call on it.

        Raises:
            Unanswered: it cannot answer; the primary may.
        """
        try:
            return await self._pool.run(call)
        except (PgQueueError, psycopg.Error) as error:
            if is_unreachable(error):
                self._lose(error)
            elif not (isinstance(error, NoConnection) or getattr(error, "sqlstate", None) in _OWN):
                raise
            raise Unanswered from error

    async def written_so_far(self) -> str:
        """What it has replayed, for who waits for changes; nothing while it is not asked."""
        if self.lag is None:
            return ""
        with suppress(Unanswered):
            return await self.run(written_so_far())
        return ""

    async def stop(self) -> None:
        """End the looks, and close the connections; `stopping` is set."""
        if self._task is not None and self._task.get_loop() is asyncio.get_running_loop():
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._pool.close()

    def _start(self) -> None:
        self._asked_at = time.monotonic()
        is_running = self._task is not None and self._task.get_loop() is asyncio.get_running_loop() and not self._task.done()
        if not is_running and not self._stopping.is_set():
            self._task = asyncio.create_task(self._go_on(), name="pgqueue replica")

    async def _go_on(self) -> None:
        while not self._stopping.is_set() and time.monotonic() - self._asked_at < IN_USE:
            try:
                await self._look()
            except (PgQueueError, psycopg.Error, TimeoutError) as error:
                self._lose(error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), EVERY)
        self._as_of = None  # nobody looks any more

    async def _look(self) -> None:
        began = time.monotonic()
        primary = await self._ask_primary(position())
        if primary.written is not None:
            self._marks.append((began, primary.written))
        for pause in PAUSES:
            await asyncio.sleep(pause)
            replayed = self._checked(await self._pool.run(position(), wait=LOOK_WITHIN), primary)
            if primary.written is None or replayed >= primary.written:
                break
        reached = [at for at, place in self._marks if place <= replayed]
        if reached:
            self._as_of = max(reached) if self._as_of is None else max(self._as_of, *reached)
        self._looked_at = time.monotonic()
        if self._is_complained_of and self.lag is not None:
            self._is_complained_of = False
            log.info("the replica is asked again: it is %.1f s behind", self.lag)
        elif self.lag is None:
            self._complain(f"it is more than {MOST_LAG:.0f} s behind")

    def _checked(self, found: Position, primary: Position) -> int:
        """How far it is. Raises PgQueueError if that cannot be compared."""
        if found.install != primary.install:
            raise PgQueueError("it has another install than the primary; check read_url (PGQUEUE_READ_URL)")
        if found.written is None:
            raise PgQueueError("it does not say how far it is: it is no streaming replica; unset read_url (PGQUEUE_READ_URL)")
        return found.written

    def _lose(self, error: Exception) -> None:
        self._as_of = None
        self._complain(first_line(error) or type(error).__name__)

    def _complain(self, why: str) -> None:
        if not self._is_complained_of:
            self._is_complained_of = True
            log.warning("the replica is not asked, the primary answers in its place: %s", why)


class Unanswered(Exception):
    """The replica cannot answer this call."""
