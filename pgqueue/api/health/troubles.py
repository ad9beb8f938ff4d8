"""What is wrong now, for endpoints: the rules of `pgqueue top`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...control.metrics import metrics_of
from ...database.call import Call
from ...database.calls import doctor, queues, reads
from ...insight.snapshot import Snapshot
from ...insight.troubles import Trouble, troubles

WINDOW = 300  # seconds of the figures
Run = Callable[[Call[Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong.

    Attributes:
        at: when, on the clock of the database.
        troubles: errors first.
    """

    at: datetime
    troubles: list[Trouble]


async def wrong(run: Run) -> Wrong:
    """What is wrong. `run`: runs a call. One after the other: the other panels of a page have connections of their own."""
    figures = await run(metrics_of(WINDOW))
    live, workers, pauses = await run(queues.queues()), await run(reads.workers()), await run(queues.pauses())
    now = Snapshot(figures.asked_at, live, workers, pauses, figures, await run(doctor.findings()))
    return Wrong(now.at, troubles(now, _written))


def _written(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
