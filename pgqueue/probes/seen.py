"""The processes that this one answers for, and what to say of them: whether they live, and whether they are ready."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from ..worker.status import Status

LIVE_WITHIN = 60.0  # seconds without progress after which a process counts as stuck; three leases if that is longer

GRACE = 2.0  # seconds for which a status is news


class Seen(NamedTuple):
    """Processes at a moment.

    Attributes:
        statuses: what each has said last.
        wanted: how many shall run.
        ends: whether who answers for them is to end; None = it ends with them. An agent goes on without processes.
    """

    statuses: list[Status]
    wanted: int = 1
    ends: bool | None = None

    @property
    def is_ending(self) -> bool:
        """Whether all of them end, and nothing comes after them."""
        if self.ends is not None:
            return self.ends
        return bool(self.statuses) and all(status.state == "draining" for status in self.statuses)

    def unready(self) -> list[str]:
        """Why not enough of them are ready; empty if they are."""
        found = [why for number, status in enumerate(self.statuses, 1) if (why := _unready(number, status))]
        if self.is_ending:
            return found or ["all processes end"]
        ready = len(self.statuses) - len(found)
        least = 1 if self.ends is None else 0
        return [] if ready >= max(least, self.wanted) else [f"{ready} of {self.wanted} processes are ready", *found]

    def stuck(self, within: float) -> list[str]:
        """Why all of them are stuck; empty if one of them goes on, or boots. A single one that is stuck is its supervisor's
        business; so are processes that cannot start: to begin anew would not help."""
        found = [why for number, status in enumerate(self.statuses, 1) if (why := _stuck(number, status, within))]
        return found if len(found) == len(self.statuses) else []


Look = Callable[[], Seen]


def _unready(number: int, status: Status) -> str | None:
    if status.state != "ready":
        return f"process {number} is {status.state}"
    if status.wake_mode == "starting":
        return f"process {number} does not know yet how it is woken"
    return None if status.connected else f"process {number} has no connection to the database"


def _stuck(number: int, status: Status, within: float) -> str | None:
    """An outage of the database is progress: a restart would not end it."""
    if status.state != "booting" and status.turned > within:
        return f"process {number}: its event loop has been blocked for {status.turned:.0f} s"
    if status.state == "ready" and status.claimed > within:
        return f"process {number}: its claim loop has made no progress for {status.claimed:.0f} s"
    return None


class Published:
    """What an event loop sees of its processes, for other threads. If the loop stops, its processes seem older and older."""

    def __init__(self) -> None:
        self._seen, self._at = Seen([]), time.monotonic()

    def put(self, statuses: list[Status], wanted: int, ends: bool | None = None) -> None:
        """Call it about each second; see `Seen`."""
        self._seen, self._at = Seen(statuses, wanted, ends), time.monotonic()

    def __call__(self) -> Seen:
        """What was seen last."""
        seen, age = self._seen, time.monotonic() - self._at
        return seen._replace(statuses=[_older(status, age) for status in seen.statuses])


def _older(status: Status, age: float) -> Status:
    return replace(status, turned=status.turned + age) if age > GRACE else status
