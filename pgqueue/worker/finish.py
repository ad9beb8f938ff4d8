"""Reporting outcomes to the database: buffered, and flushed as soon as the previous flush has returned."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from ..database import Link
from ..database.calls.run import Verdict
from ..logs.current import of_job
from .deliver import Deliverer, HandedIn, Run
from .held import MOST as MOST_HELD
from .held import Held
from .job_logs import JobLogs
from .outcome import Outcome, spent
from .signals import Alarm
from .slow import Slow
from .waiters import Waiters

log = logging.getLogger("pgqueue.worker")
BATCH = 1000
BATCH_CHARACTERS = 8_000_000  # results may be large; the database must answer within the deadline
BUSY_AGAIN = 0.1  # seconds until a locked job is tried again; longer if there are so many that others would wait for the tries
BUSY_RATE = 2000  # tries a second
BUSY_AT_MOST = 5.0  # seconds


class Finisher:
    """Buffers outcomes and reports them, at most one call at a time.

    Args:
        link: its own connection.
        held_link: a second connection, for outcomes that are blocked by a lock or too slow; opened when needed.
        slow_link: a third connection, for single outcomes that take long; opened when needed.
        most_unflushed: outcomes that may wait; at this number no more jobs start.
        alarm: rung when jobs run again or may be ready now, nudged when jobs with limits have ended.
        waiters: get the ids of jobs that are over.
        counts: outcomes by state, and retried, dead_letter, stale and unconfirmed outcomes, since the start.
        on_room: called when the database has accepted outcomes.
        on_finished: takes reported outcomes and the verdicts of the database; None = not needed.
        is_answering: whether the database has answered a heartbeat sent within the given number of seconds.
        logs: stores the log lines of runs before their outcomes; None = there are none.

    Attributes:
        on_noted: takes the outcomes that the database has accepted.
        slow: outcomes whose call missed its deadline.
    """

    def __init__(
        self,
        link: Link,
        held_link: Link,
        slow_link: Link,
        most_unflushed: int,
        alarm: Alarm,
        waiters: Waiters,
        counts: Counter[str],
        on_room: Callable[[], None],
        on_finished: Callable[[list[Outcome], list[Verdict]], None] | None = None,
        is_answering: Callable[[float], bool] = lambda seconds: True,
        logs: JobLogs | None = None,
    ) -> None:
        self._logs = logs
        self._most, self._alarm, self._waiters, self.counts = most_unflushed, alarm, waiters, counts
        self._on_room, self.on_finished = on_room, on_finished
        self.on_noted: Callable[[list[Outcome]], object] = lambda outcomes: None
        unsure: set[Run] = set()
        aside = Deliverer(held_link, unsure)
        self._held = Held(aside, self._settle, self._held_no_more)
        self.slow = Slow(aside, Deliverer(slow_link, unsure), self._settle, self._slow_no_more, is_answering)
        self._deliverer = Deliverer(link, unsure)
        self._waiting: list[Outcome] = []
        self._flushing: list[Outcome] = []
        self._busy: list[Outcome] = []
        self._is_holding = False
        self._changed = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def add(self, outcome: Outcome) -> None:
        """Take an outcome. The flush loop reports it, unless the transaction of the handler has done so."""
        if outcome.state == "committed":
            if self._logs is not None:
                self._logs.hurry()
            self._note([outcome._replace(state="succeeded")], [])
            return
        node = outcome.job.node
        if self._is_holding and node is not None and node.workflow in self._held:
            self._held.join(outcome, node.workflow)
            return
        if not self._waiting:
            self._changed.set()
            self._empty.clear()
        self._waiting.append(outcome)

    def is_full(self) -> bool:
        """Whether so many outcomes wait that no more jobs may start."""
        return len(self._waiting) >= self._most or (self._is_aside() and len(self._held) + len(self.slow) >= MOST_HELD)

    def unflushed(self) -> list[int]:
        """Ids of jobs whose outcome is not yet accepted."""
        aside = (self._held.outcomes(), self.slow.outcomes()) if self._is_aside() else ()
        return [o.job.id for held in (self._waiting, self._flushing, self._busy, *aside) for o in held]

    def only_held(self) -> list[str]:
        """Held jobs with their workflows, and slow jobs, for a message; empty if there are other outcomes, too."""
        if self._waiting or self._flushing or self._busy:
            return []
        return [*self._held.described(), *self.slow.described()]

    def _is_aside(self) -> bool:
        """Whether any outcomes are held or slow; usually none are."""
        return self._is_holding or len(self.slow) > 0

    def loops(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """Each loop, by its name."""
        return {
            "finish": self.run,
            "finish held": self._held.run,
            "finish slow": self.slow.run_parts,
            "finish alone": self.slow.run_alone,
        }

    async def run(self) -> None:
        """Flush until cancelled. After a cancelled call it reports the interrupted batch again."""
        self._doubt_flushing()
        while True:
            await self._changed.wait()
            if self._logs is not None:
                await self._logs.before(outcome.job for outcome in self._waiting[:BATCH])
            count = self._batch()
            self._flushing, self._waiting = self._waiting[:count], self._waiting[count:]
            if not self._waiting:
                self._changed.clear()
            self._on_room()
            self._settle(await self._deliverer.hand_in(self._flushing))
            self._flushing = []
            self._look_if_empty()

    def _doubt_flushing(self) -> None:
        if self._flushing:
            self._deliverer.doubt(self._flushing)
            self._waiting, self._flushing = self._flushing + self._waiting, []
            self._changed.set()

    def _look_if_empty(self) -> None:
        if not (self._waiting or self._flushing or self._busy or self._is_aside()):
            self._empty.set()

    def _batch(self) -> int:
        """How many outcomes to report at once. A batch has at most one outcome of a job, but two runs of it may have ended."""
        batch = self._waiting[:BATCH]
        ids = {outcome.job.id for outcome in batch}
        if len(ids) == len(batch) and not [o for o in batch if o.text is not None or o.nodes is not None]:  # most batches
            return BATCH
        characters, jobs = 0, set[int]()
        for count, outcome in enumerate(batch):
            characters += outcome.size
            if count and (characters > BATCH_CHARACTERS or outcome.job.id in jobs):
                return count
            jobs.add(outcome.job.id)
        return BATCH

    async def drain(self) -> None:
        """Wait until every outcome has been accepted."""
        await self._empty.wait()

    def _settle(self, handed: HandedIn) -> None:
        for outcomes, verdicts in handed.noted:
            self._note(outcomes, verdicts)
        for batch in handed.locked:
            self._is_holding = True
            self._held.add(batch)
        for batch in handed.slow:
            self.slow.add(batch)

    def _note(self, outcomes: list[Outcome], verdicts: list[Verdict]) -> None:
        busy = {verdict.job_id for verdict in verdicts if verdict.verdict == "busy"}
        if busy:
            self._retry_later([outcome for outcome in outcomes if outcome.job.id in busy])
            outcomes = [outcome for outcome in outcomes if outcome.job.id not in busy]
        jobs = [outcome.job for outcome in outcomes]  # lists: a generator costs each job a call of its own
        if [job for job in jobs if job.node is not None]:
            self._alarm.ring()  # other jobs may be ready now
        if [job for job in jobs if job.limits is not None]:
            self._alarm.nudge()  # other jobs may start now
        self._count(outcomes, verdicts)
        if self._waiters.is_asked():
            not_over = {verdict.job_id for verdict in verdicts if verdict.verdict not in ("dead_letter", "cancelled")}
            self._waiters.over([outcome.job.id for outcome in outcomes if outcome.job.id not in not_over])
        if self._waiters.is_watching():
            self._waiters.changed([outcome.job.id for outcome in outcomes])
        self.on_noted(outcomes)
        self._tell(outcomes, verdicts)
        if any(verdict.verdict == "scheduled" for verdict in verdicts):
            self._alarm.ring()  # jobs that run again at once are ready already, the other jobs are promoted later
        if self.on_finished is not None:
            self.on_finished(outcomes, verdicts)

    def _count(self, outcomes: list[Outcome], verdicts: list[Verdict]) -> None:
        gone = {verdict.job_id for verdict in verdicts if verdict.verdict in ("stale", "unconfirmed")}
        kept = [outcome for outcome in outcomes if outcome.job.id not in gone] if gone else outcomes
        self.counts.update([outcome.state for outcome in kept])
        self.counts.update([verdict.verdict for verdict in verdicts])

    def _tell(self, outcomes: list[Outcome], verdicts: list[Verdict]) -> None:
        """Log one line for each job, if wanted, and one for each that is lost."""
        if log.isEnabledFor(logging.DEBUG):
            for ended in outcomes:
                facts = {**of_job(ended.job), "state": ended.state, "elapsed": round(ended.elapsed, 6)}
                log.debug("job %s %s in %s", ended.job.id, ended.state, spent(ended.elapsed), extra=facts)
        if not (lost := {verdict.job_id: verdict.verdict for verdict in verdicts if verdict.verdict in ("stale", "dead_letter")}):
            return
        for job in (ended.job for ended in outcomes if ended.job.id in lost):
            if lost[job.id] == "stale":
                log.warning("job %s now belongs to another worker; its outcome was dropped", job.id, extra=of_job(job))
            else:
                log.error("job %s failed for good", job.id, extra=of_job(job))

    def _held_no_more(self) -> None:
        if self._is_holding:
            self._is_holding = False
            self._look_if_empty()
            self._on_room()

    def _slow_no_more(self) -> None:
        self._look_if_empty()
        self._on_room()

    def _retry_later(self, outcomes: list[Outcome]) -> None:
        """Try these jobs again later, because another transaction locks them; meanwhile other outcomes are reported.

        Not as plain ones: such a batch finds a lock only when it has done its work, and would do it again with each try.
        """
        outcomes = [outcome._replace(text=outcome.json) for outcome in outcomes]
        self._busy.extend(outcomes)
        its = set(map(id, outcomes))

        def again() -> None:
            self._busy = [outcome for outcome in self._busy if id(outcome) not in its]
            for outcome in outcomes:
                self.add(outcome)

        pause = min(max(BUSY_AGAIN, len(self._busy) / BUSY_RATE), BUSY_AT_MOST)
        asyncio.get_running_loop().call_later(pause, again)
