"""Noting in the database which runs have passed their soft timeout."""

import asyncio
import logging

import psycopg

from .._json import dumps
from ..context import JobContext
from ..database import Link
from ..database.backoff import first_line
from ..database.calls import run as run_calls
from ..errors import Disconnected, PgQueueError

log = logging.getLogger("pgqueue.worker")
AGAIN = 1.0  # seconds until a note is tried again for a job that somebody else has locked


class SoftTimeouts:
    """Notes soft timeouts with their jobs, many in one call.

    Args:
        link: the connection for its calls.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._notes: dict[int, dict[str, object]] = {}
        self._some = asyncio.Event()

    def add(self, job: JobContext, elapsed: float) -> None:
        """Note that this run has passed its soft timeout after so many seconds in its handler."""
        self._notes[job.id] = {"id": job.id, "token": job.token, "elapsed": round(elapsed, 3)}
        self._some.set()

    async def run(self) -> None:
        """Note until cancelled. After a cancelled call it may be called again."""
        while True:
            await self._some.wait()
            notes = dict(self._notes)
            locked = await self._note(list(notes.values()))
            self._notes = {id: note for id, note in self._notes.items() if id in locked or note is not notes.get(id)}
            if not self._notes:
                self._some.clear()
            elif locked:
                await asyncio.sleep(AGAIN)

    async def _note(self, notes: list[dict[str, object]]) -> set[int]:
        """Store notes. Returns the ids of those that could not be stored now; those that cannot be stored at all are dropped."""
        try:
            locked = await self._link.run(run_calls.note_soft_timeouts(dumps(notes)))
        except Disconnected:
            return {int(str(note["id"])) for note in notes}
        except (PgQueueError, psycopg.Error) as error:  # a job goes on without its note
            log.error("%s soft timeouts are not noted with their jobs: %s", len(notes), first_line(error))
            return set()
        return set(locked)
