"""Handing in outcomes: buffered, and flushed as soon as the previous flush has returned."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

import psycopg

from ..database import Link, calls
from ..errors import Disconnected, InvalidArgument, PgQueueError
from .announce import Announcer
from .execute import Outcome, failure

log = logging.getLogger("pgqueue.worker")
BATCH = 1000
REFUSED_AGAIN = 1.0  # seconds until a batch is tried again that was refused for a reason outside of it
BATCH_CHARACTERS = 8_000_000  # results may be large; the database must answer within the deadline
BUSY_AGAIN = 0.1  # seconds until a job that somebody holds is tried again
_Run = tuple[int, str]  # a job and the token of one claim of it


def _run(outcome: Outcome) -> _Run:
    return outcome.job.id, outcome.job.token


def _is_about_data(error: Exception) -> bool:
    """Whether an outcome is at fault and not the moment: what it holds, its size, a trigger or an argument that refuses it."""
    if isinstance(error, InvalidArgument):
        return True
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(("22", "23", "54", "P0"))


class Finisher:
    """Buffers outcomes and hands them in, at most one call at a time.

    Args:
        link: its own connection.
        most_unflushed: outcomes that may wait before nothing more starts.

    Attributes:
        counts: outcomes by state, and retried, dead, stale and unconfirmed ones, since the start.
        on_finished: takes outcomes that were handed in and what the database said of them; None = nobody wants to know.
    """

    def __init__(self, link: Link, most_unflushed: int) -> None:
        self._link, self._most = link, most_unflushed
        self._waiting: list[Outcome] = []
        self._flushing: list[Outcome] = []
        self._busy: list[Outcome] = []
        self._unsure: set[_Run] = set()  # handed in by a call whose answer was lost: it may have finished them
        self._changed = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self.counts: Counter[str] = Counter()
        self.on_room: Callable[[], None] = lambda: None  # called when outcomes were taken; the worker sets it
        self.on_finished: Callable[[list[Outcome], list[calls.Verdict]], None] | None = None
        self.on_scheduled: Callable[[], None] = lambda: None  # called when jobs were scheduled to run again
        self.announcer: Announcer | None = None  # the worker sets it

    def add(self, outcome: Outcome) -> None:
        """Take an outcome; the flush loop hands it in, unless the handler's own transaction has."""
        if outcome.state == "committed":
            self._note([outcome._replace(state="succeeded")], [])
            return
        if not self._waiting:
            self._changed.set()
            self._empty.clear()
        self._waiting.append(outcome)

    def is_full(self) -> bool:
        """Whether so many outcomes wait that nothing more should start."""
        return len(self._waiting) >= self._most

    def unflushed(self) -> list[int]:
        """Ids of jobs whose outcome is not yet accepted."""
        return [o.job.id for held in (self._waiting, self._flushing, self._busy) for o in held]

    async def run(self) -> None:
        """Flush for ever."""
        while True:
            await self._changed.wait()
            count = self._batch()
            self._flushing, self._waiting = self._waiting[:count], self._waiting[count:]
            if not self._waiting:
                self._changed.clear()
            self.on_room()
            await self._hand_in(self._flushing)
            self._flushing = []
            if not (self._waiting or self._busy):
                self._empty.set()

    def _batch(self) -> int:
        """How many outcomes to hand in at once: at most one of a job, which a run that lost it and the next one may both end."""
        characters, jobs = 0, set[int]()
        for count, outcome in enumerate(self._waiting[:BATCH]):
            characters += len(outcome.json)
            if count and (characters > BATCH_CHARACTERS or outcome.job.id in jobs):
                return count
            jobs.add(outcome.job.id)
        return BATCH

    async def drain(self) -> None:
        """Wait until every outcome has been accepted."""
        await self._empty.wait()

    async def _hand_in(self, outcomes: list[Outcome]) -> None:
        repeated = False
        while True:
            try:
                verdicts = await self._finish(outcomes)
            except Disconnected as error:
                self._unsure.update(map(_run, outcomes))
                if error.too_slow and repeated and len(outcomes) > 1:
                    await self._halves(outcomes)
                    return
                repeated = True
            except (PgQueueError, psycopg.Error) as error:
                if _is_about_data(error):
                    await self._refused(outcomes, error)
                    return
                log.error("outcomes cannot be handed in now: %s", error)
                await asyncio.sleep(REFUSED_AGAIN)
            else:
                break
        self._note(outcomes, self._judged(outcomes, verdicts) if self._unsure else verdicts)

    def _judged(self, outcomes: list[Outcome], verdicts: list[calls.Verdict]) -> list[calls.Verdict]:
        """A job that is missing after a lost answer is not called stale: the call without an answer has finished it.

        One that is busy stays in doubt, because it may be that very call that still holds it.
        """
        runs = {outcome.job.id: _run(outcome) for outcome in outcomes}
        unsure = self._unsure & set(runs.values())
        self._unsure -= unsure
        self._unsure |= unsure & {runs[v.job_id] for v in verdicts if v.verdict == "busy"}
        return [v._replace(verdict="unconfirmed") if v.verdict == "stale" and runs[v.job_id] in unsure else v for v in verdicts]

    async def _finish(self, outcomes: list[Outcome]) -> list[calls.Verdict]:
        return await self._link.run(calls.finish(f"[{','.join([outcome.json for outcome in outcomes])}]"))

    async def _halves(self, outcomes: list[Outcome]) -> None:
        middle = len(outcomes) // 2
        await self._hand_in(outcomes[:middle])
        await self._hand_in(outcomes[middle:])

    async def _refused(self, outcomes: list[Outcome], error: Exception) -> None:
        """Find the outcome that PostgreSQL cannot store and fail its job, without another run."""
        if len(outcomes) > 1:
            await self._halves(outcomes)
            return
        (bad,) = outcomes
        if bad.state == "refused":
            log.error("job %s cannot be finished; it is given back: %s", bad.job.id, error)
            return
        refused = failure(bad.job, error, 0.0, reason="system_error", final=True)
        await self._hand_in([refused._replace(state="refused")])

    def _note(self, outcomes: list[Outcome], verdicts: list[calls.Verdict]) -> None:
        busy = {verdict.job_id for verdict in verdicts if verdict.verdict == "busy"}
        if busy:
            self._retry_later([outcome for outcome in outcomes if outcome.job.id in busy])
            outcomes = [outcome for outcome in outcomes if outcome.job.id not in busy]
        gone = {verdict.job_id for verdict in verdicts if verdict.verdict in ("stale", "unconfirmed")}
        self.counts.update([outcome.state for outcome in outcomes if outcome.job.id not in gone])
        self.counts.update([verdict.verdict for verdict in verdicts])
        if self.announcer is not None and self.announcer.is_asked():
            not_over = {verdict.job_id for verdict in verdicts if verdict.verdict != "dead"}
            self.announcer.over([outcome.job.id for outcome in outcomes if outcome.job.id not in not_over])
        if log.isEnabledFor(logging.DEBUG):
            for outcome in outcomes:
                log.debug("job %s %s", outcome.job.id, outcome.state, extra={"job_id": outcome.job.id, "task": outcome.job.task})
        for verdict in verdicts:
            if verdict.verdict == "stale":
                log.warning("job %s belongs to another worker by now; its outcome was dropped", verdict.job_id)
            elif verdict.verdict == "dead":
                log.error("job %s failed for good", verdict.job_id, extra={"job_id": verdict.job_id})
            elif verdict.verdict == "scheduled":
                self.on_scheduled()
        if self.on_finished is not None:
            self.on_finished(outcomes, verdicts)

    def _retry_later(self, outcomes: list[Outcome]) -> None:
        """Somebody's transaction holds these jobs: try them again while the others go on."""
        self._busy.extend(outcomes)

        def again() -> None:
            self._busy = [outcome for outcome in self._busy if outcome not in outcomes]
            for outcome in outcomes:
                self.add(outcome)

        asyncio.get_running_loop().call_later(BUSY_AGAIN, again)
