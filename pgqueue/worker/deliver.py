"""Handing one batch of outcomes in, whatever comes in between."""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

import psycopg

from ..database import Link, calls
from ..database.link import Locked
from ..errors import Disconnected, InvalidArgument, JobNotFound, PgQueueError, WrongState
from .execute import Outcome, failure

log = logging.getLogger("pgqueue.worker")
REFUSED_AGAIN = 1.0  # seconds until a batch is tried again that was refused for a reason outside of it


class Batch(NamedTuple):
    """Outcomes that are handed in together, at most one of a job.

    Attributes:
        repeated: whether a call with them was sent whose answer was lost: what is missing now may have been finished by it.
    """

    outcomes: list[Outcome]
    repeated: bool = False


def _is_about_data(error: Exception) -> bool:
    """Whether an outcome is at fault and not the moment: what it holds or adds, its size, a trigger that refuses it."""
    if isinstance(error, InvalidArgument | WrongState | JobNotFound):
        return True
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(("22", "23", "54", "P0"))


class Deliverer:
    """Hands batches in on one connection.

    Args:
        link: the connection.
        note: takes outcomes that were handed in, and the verdicts on them.
        on_locked: takes batches that were refused because somebody holds a workflow, or a job, of them.
    """

    def __init__(
        self,
        link: Link,
        note: Callable[[list[Outcome], list[calls.Verdict]], None],
        on_locked: Callable[[Batch], None],
    ) -> None:
        self._link, self._note, self._on_locked = link, note, on_locked

    async def hand_in(self, batch: Batch) -> None:
        """Hand a batch in; returns when all of it was noted or found locked."""
        outcomes, repeated = batch
        while True:
            try:
                verdicts = await self._finish(outcomes)
            except Locked:
                self._on_locked(Batch(outcomes, repeated))
                return
            except Disconnected as error:
                if error.too_slow and repeated and len(outcomes) > 1:
                    await self._halves(outcomes, repeated)
                    return
                repeated = True
            except (PgQueueError, psycopg.Error) as error:
                if _is_about_data(error):
                    await self._refused(outcomes, repeated, error)
                    return
                log.error("outcomes cannot be handed in now: %s", error)
                await asyncio.sleep(REFUSED_AGAIN)
            else:
                break
        if repeated:  # a job that is missing now was finished by the call whose answer was lost
            verdicts = [v._replace(verdict="unconfirmed") if v.verdict == "stale" else v for v in verdicts]
        self._note(outcomes, verdicts)

    async def _finish(self, outcomes: list[Outcome]) -> list[calls.Verdict]:
        added = [f'{{"id":{o.job.id},"nodes":{o.nodes}}}' for o in outcomes if o.nodes is not None]
        call = calls.finish(f"[{','.join([outcome.json for outcome in outcomes])}]", f"[{','.join(added)}]" if added else None)
        return await self._link.run(call, tell_locked=True)

    async def _halves(self, outcomes: list[Outcome], repeated: bool) -> None:
        middle = len(outcomes) // 2
        await self.hand_in(Batch(outcomes[:middle], repeated))
        await self.hand_in(Batch(outcomes[middle:], repeated))

    async def _refused(self, outcomes: list[Outcome], repeated: bool, error: Exception) -> None:
        """Find the outcome that PostgreSQL cannot store and fail its job, without another run."""
        if len(outcomes) > 1:
            await self._halves(outcomes, repeated)
            return
        (bad,) = outcomes
        if bad.state == "refused":
            log.error("job %s cannot be finished; it is given back: %s", bad.job.id, error)
            return
        refused = failure(bad.job, error, 0.0, reason="system_error", final=True)
        await self.hand_in(Batch([refused._replace(state="refused")], repeated))
