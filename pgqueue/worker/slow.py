"""Outcomes whose call missed its deadline: tried again separately, in smaller parts, until the slow outcome is alone.

The end of one job may take long: a node below which a million others wait, a trigger of the application. It must not delay the
other outcomes of its batch, nor later outcomes.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from ..errors import Disconnected, InvalidArgument, PgQueueError
from .deliver import Deliverer, HandedIn, given_up
from .outcome import Outcome

log = logging.getLogger("pgqueue.worker")
PART = 1.0  # seconds for several outcomes; a hundred usually take a fiftieth of it, so a part that needs more has a slow outcome
PARTS = 8  # parts of a batch: few steps to the slow outcome, each step costs PART seconds
ALONE = 120.0  # seconds for an outcome that has missed the deadline of a call although it was alone
AGAIN = 1.0  # seconds before the next try when the database does not answer at all


class Slow:
    """Tries slow outcomes until they are accepted, or given up.

    Args:
        for_parts: reports outcomes that may not be slow.
        for_one: reports single outcomes, on its own connection.
        settle: takes the outcomes that were accepted or are locked.
        on_empty: called when no outcome is left.
        is_answering: whether the database has answered a heartbeat sent within the given number of seconds.
    """

    def __init__(
        self,
        for_parts: Deliverer,
        for_one: Deliverer,
        settle: Callable[[HandedIn], None],
        on_empty: Callable[[], None],
        is_answering: Callable[[float], bool],
    ) -> None:
        self._for_parts, self._for_one, self._settle, self._on_empty = for_parts, for_one, settle, on_empty
        self.is_answering = is_answering
        self._parts: deque[list[Outcome]] = deque()
        self._alone: deque[Outcome] = deque()
        self._parts_there, self._alone_there = asyncio.Event(), asyncio.Event()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def outcomes(self) -> list[Outcome]:
        """All slow outcomes."""
        return [*(outcome for part in self._parts for outcome in part), *self._alone]

    def described(self) -> list[str]:
        """All slow outcomes, for a message."""
        return [f"job {outcome.job.id}" for outcome in self.outcomes()]

    def add(self, batch: list[Outcome]) -> None:
        """Take a batch whose call missed its deadline."""
        log.warning("the database did not store %s outcomes in time; they are retried separately", len(batch))
        self._split(batch)
        self._size += len(batch)

    def _split(self, batch: list[Outcome]) -> None:
        """Try the parts of a batch, or a single outcome with more time."""
        if len(batch) > 1:
            self._parts += _parts(batch)
            self._parts_there.set()
        else:
            self._alone += batch
            self._alone_there.set()

    async def run_parts(self) -> None:
        """Report parts until cancelled. After a cancelled call it tries the same part again."""
        if self._parts:
            self._for_parts.doubt(self._parts[0])
        while True:
            await self._parts_there.wait()
            while self._parts:
                part = self._parts[0]
                handed = await self._for_parts.hand_in(part, PART if len(part) > 1 else None)
                for batch in handed.slow:
                    self._split(batch)
                self._settle(handed._replace(slow=[]))
                self._parts.popleft()
                self._count()
            self._parts_there.clear()

    async def run_alone(self) -> None:
        """Report single outcomes until cancelled. After a cancelled call it tries the same outcome again."""
        if self._alone:
            self._for_one.doubt([self._alone[0]])
        while True:
            await self._alone_there.wait()
            while self._alone:
                await self._try_alone()
            self._alone_there.clear()

    async def _try_alone(self) -> None:
        outcome = self._alone[0]
        handed = await self._for_one.hand_in([outcome], ALONE)
        if not handed.slow:
            self._settle(handed)
            self._alone.popleft()
        elif not self.is_answering(ALONE):  # the outcome is not the cause
            self._alone.rotate(-1)
            await asyncio.sleep(AGAIN)
        elif outcome.state == "refused":
            self._alone.popleft()
            log.error("job %s cannot be finished, not even as failed; it is given back", outcome.job.id)
        else:
            self._alone[0] = given_up(outcome, _too_slow(outcome))
        self._count()

    def _count(self) -> None:
        self._size = sum(map(len, self._parts)) + len(self._alone)
        if not self._size:
            self._on_empty()


def _parts(batch: list[Outcome]) -> list[list[Outcome]]:
    """Separate plain jobs from nodes of workflows, whose end may take long; if all are of one kind, make equal parts."""
    plain = [outcome for outcome in batch if outcome.job.node is None]
    if 0 < len(plain) < len(batch):
        return [plain, [outcome for outcome in batch if outcome.job.node is not None]]
    size = -(-len(batch) // PARTS)
    return [batch[start : start + size] for start in range(0, len(batch), size)]


def _too_slow(outcome: Outcome) -> PgQueueError:
    if outcome.nodes is not None:
        return InvalidArgument(
            f"ctx.workflow: job {outcome.job.id} adds too much at once; the database did not store it within {ALONE:g} s; "
            "add less, or let an added job add the rest"
        )
    return Disconnected(
        f"the database did not store the end of job {outcome.job.id} in {ALONE:g} s, although it answered other calls; "
        "do very many jobs wait for this one, or is a trigger of yours slow?"
    )
