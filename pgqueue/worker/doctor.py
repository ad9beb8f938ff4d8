"""Examining the install: any worker does, about every minute, and logs what is new and what is gone."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import psycopg

from .._json import dumps
from .._text import LINE, one_line
from ..database import Link
from ..database.calls import doctor as calls
from ..database.calls.doctor import NOUNS, Change, Finding
from ..doctor.refused import not_run
from ..errors import PgQueueError

log = logging.getLogger("pgqueue.worker")
EVERY = 45.0  # seconds between two examinations by any worker: what goes wrong is told within a minute
FIRST_LOOK = 15.0  # seconds: a worker that runs for a moment examines nothing
MOST = 5  # changes of one kind that are logged one by one
NOT_RUN = "not run"  # the source of findings about checks that could not be made
LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "note": logging.INFO}


class Doctor:
    """A step of maintenance.

    Args:
        link: that of maintenance, which asks whose turn it is.
        own: for the checks, because each may take 2 s.
        worker_id: the worker's current id.
        schema: the schema of the install.
    """

    def __init__(self, link: Link, own: Link, worker_id: Callable[[], UUID], schema: str) -> None:
        self._link, self._own, self._worker_id, self._schema = link, own, worker_id, schema
        self._wait = FIRST_LOOK

    def steps(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The step of its loop, by the name of the loop, for `Maintenance.loops`."""
        return {"doctor": self.step}

    async def step(self) -> None:
        """Wait, and examine the install if it is this worker's turn."""
        await asyncio.sleep(self._wait * random.uniform(1, 1.1))
        # The clock is read when the call is sent: the database compares it with its own.
        self._wait = await self._link.run(lambda: calls.diagnosis_due(self._worker_id(), datetime.now(UTC), EVERY))
        if self._wait == 0:
            await self._examine()

    async def _examine(self) -> None:
        made, findings = [NOT_RUN], list[dict[str, object]]()
        for noun in NOUNS:
            source, found = await self._check(noun)
            if source == noun:  # what a check that could not be made has found before stays as it is
                made.append(noun)
            findings += [{**finding._asdict(), "source": source} for finding in found]
        _tell(await self._own.run(calls.note_findings(dumps(findings), made)))

    async def _check(self, noun: str) -> tuple[str, list[Finding]]:
        """What a check has found, and the source of these findings."""
        try:
            return noun, await self._own.run(calls.diagnose(noun))
        except (PgQueueError, psycopg.Error) as error:
            return NOT_RUN, [not_run(noun, error, self._schema)]


def _tell(changes: list[Change]) -> None:
    """Log what has changed, of one kind not more than the first ones."""
    counts = Counter[tuple[str, str]]()
    for change in changes:
        counts[change.change, change.name] += 1
        if counts[change.change, change.name] <= MOST:
            log.log(*_said(change))
    for (what, name), count in counts.items():
        if count > MOST:
            log.warning("doctor: %s: %s more are %s; see pgqueue doctor", name, count - MOST, what)


def _said(change: Change) -> tuple[int, str]:
    if change.change == "gone":
        return logging.INFO, one_line(f"doctor: {change.name}: {change.subject[:LINE]}: no longer")
    return LEVELS[change.severity], one_line(f"doctor: {change.name}: {change.problem[:LINE]}; see pgqueue doctor")
