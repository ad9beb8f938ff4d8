"""Finishers and alarms without a worker, for tests."""

from collections import Counter
from collections.abc import Callable
from typing import cast

from pgqueue.database import Link
from pgqueue.worker.finish import Finisher
from pgqueue.worker.signals import Alarm
from pgqueue.worker.waiters import Waiters


class HeardAlarm(Alarm):
    """An alarm that passes on what it is told: "ring" or "nudge"."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        super().__init__()
        self._heard = heard

    def ring(self) -> None:
        self._heard("ring")
        super().ring()

    def nudge(self) -> None:
        self._heard("nudge")
        super().nudge()


def new_finisher(
    main: object,
    held: object,
    slow: object,
    most_unflushed: int = 1000,
    *,
    alarm: Alarm | None = None,
    waiters: Waiters | None = None,
    on_room: Callable[[], None] = lambda: None,
) -> Finisher:
    """A finisher on these links, which need only `run`."""
    first, second, third = (cast(Link, link) for link in (main, held, slow))
    waiters = waiters or Waiters(cast(Link, None))
    return Finisher(first, second, third, most_unflushed, alarm or Alarm(), waiters, Counter(), on_room)
