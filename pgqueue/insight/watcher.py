"""Looks at an install again and again, in a thread of its own: a server that is silent does not stop the page."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic

import psycopg

from ..errors import PgQueueError
from .snapshot import Snapshot

LATE = 1.5  # seconds, for a look that takes little
SHARE = 20  # a look that took long is followed by a pause of so many times as long: at most 5 % of a core of the server


@dataclass(frozen=True, slots=True)
class Seen:
    """The last snapshot.

    Attributes:
        snapshot: what was seen.
        at: when, as `time.monotonic()`.
        every: seconds until the next look.
        error: why the last look failed; None if it did not.
    """

    snapshot: Snapshot
    at: float
    every: float
    error: Exception | None = None

    @property
    def age(self) -> float:
        """Seconds since the snapshot."""
        return monotonic() - self.at

    @property
    def is_late(self) -> bool:
        """Whether the next look takes longer than it should: five times as long as the last one."""
        return self.age > self.every + max(LATE, 5 * self.every / SHARE)


class Watcher:
    """Looks until the process ends or `stop` is called.

    Args:
        look: takes a snapshot.
        every: seconds from one look to the next; longer if a look takes long.

    Attributes:
        seen: the last snapshot.

    Raises:
        psycopg.Error, PgQueueError: the first look failed.
    """

    def __init__(self, look: Callable[[], Snapshot], every: float) -> None:
        self._look, self._every = look, every
        self._stopped = threading.Event()
        self.seen = self._next()
        self._thread = threading.Thread(target=self._watch, name="pgqueue watcher", daemon=True)
        self._thread.start()

    def stop(self, within: float = 1.0) -> None:
        """Look no more. A look that waits for a silent server ends when its connection is closed."""
        self._stopped.set()
        self._thread.join(within)

    def _watch(self) -> None:
        while not self._stopped.wait(self.seen.every):
            try:
                self.seen = self._next()
            except (psycopg.Error, PgQueueError) as error:
                self.seen = replace(self.seen, error=error, every=self._every)

    def _next(self) -> Seen:
        began = monotonic()
        snapshot = self._look()
        return Seen(snapshot, monotonic(), max(self._every, SHARE * (monotonic() - began)))
