"""Outcomes that somebody's transaction holds up: tried again apart from the others, on a connection of their own.

`finish` waits 100 ms for the workflows of its jobs and then refuses the whole batch. A user's long transaction that adds to a
workflow would so hold up everybody's jobs; here it holds up those of its workflow.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from .deliver import Deliverer
from .execute import Outcome

log = logging.getLogger("pgqueue.worker")
AGAIN = 0.1  # seconds until a group is tried again, twice as long each time
AGAIN_AT_MOST = 2.0
GROUP = 1000  # outcomes that are handed in at once
MOST = 10_000  # outcomes that may wait here before nothing more starts
SAY_AFTER = 5  # tries


@dataclass(slots=True)
class _Group:
    """Outcomes that are tried together.

    Attributes:
        workflow: of all of them; None when it is not known.
        due: when to try, on time.monotonic().
    """

    workflow: int | None
    outcomes: list[Outcome]
    tries: int = 0
    due: float = 0.0


class Held:
    """Tries held outcomes until they are accepted.

    Args:
        on_empty: called when nothing is held any more.

    Attributes:
        deliverer: the finisher sets it: hands in on a connection of its own, and gives what is locked to `again`.
    """

    def __init__(self, on_empty: Callable[[], None]) -> None:
        self._on_empty = on_empty
        self.deliverer: Deliverer | None = None
        self._groups: dict[int, _Group] = {}
        self._numbers = count()
        self._trying: _Group | None = None
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return sum(len(group.outcomes) for group in self._all())

    def __contains__(self, workflow: int) -> bool:
        """Whether a job of this workflow is held."""
        return any(group.workflow == workflow for group in self._all())

    def _all(self) -> list[_Group]:
        return [*self._groups.values(), *([self._trying] if self._trying else [])]

    def outcomes(self) -> list[Outcome]:
        """All that are held."""
        return [outcome for group in self._all() for outcome in group.outcomes]

    def add(self, batch: list[Outcome]) -> None:
        """Take a batch that was refused."""
        self._take(batch, 0)

    def again(self, batch: list[Outcome]) -> None:
        """Take a batch back that was refused here, or a part of it."""
        self._take(batch, self._trying.tries if self._trying else 0)

    def _take(self, batch: list[Outcome], tries: int) -> None:
        parts = _parts(batch)
        if len(parts) > 1:
            for workflow, outcomes in parts:
                self._put(_Group(workflow, outcomes))
            return
        ((workflow, _),) = parts
        if tries == SAY_AFTER:
            log.warning("%s cannot be finished: a transaction holds %s for long", _named(batch), _lock(workflow))
        self._put(_Group(workflow, batch, tries + 1, time.monotonic() + min(AGAIN_AT_MOST, AGAIN * 2**tries)))

    def join(self, outcome: Outcome, workflow: int) -> None:
        """Take an outcome of a workflow that is held already."""
        for group in self._groups.values():
            outcomes = group.outcomes
            same = group.workflow == workflow
            if same and len(outcomes) < GROUP and all(other.job.id != outcome.job.id for other in outcomes):
                outcomes.append(outcome)
                return
        self._put(_Group(workflow, [outcome], due=time.monotonic() + AGAIN))

    def _put(self, group: _Group) -> None:
        self._groups[next(self._numbers)] = group
        self._changed.set()

    async def run(self) -> None:
        """Try for ever: those first that were tried least, for others may be held for long."""
        while True:
            if not self._groups:
                self._changed.clear()
                self._on_empty()
                await self._changed.wait()
            now = time.monotonic()
            due = [(group.tries, number) for number, group in self._groups.items() if group.due <= now]
            if not due:
                await self._wait(min(group.due for group in self._groups.values()) - now)
                continue
            self._trying = self._groups.pop(min(due)[1])
            assert self.deliverer is not None
            await self.deliverer.hand_in(self._trying.outcomes)
            self._trying = None

    async def _wait(self, seconds: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass


def _parts(batch: list[Outcome]) -> list[tuple[int | None, list[Outcome]]]:
    """The plain jobs, and the jobs of each workflow; of plain ones alone, among which are some that were adopted, the halves."""
    by_workflow: dict[int | None, list[Outcome]] = {}
    for outcome in batch:
        by_workflow.setdefault(None if outcome.job.node is None else outcome.job.node.workflow, []).append(outcome)
    parts = sorted(by_workflow.items(), key=lambda part: part[0] is not None)
    if len(parts) > 1 or parts[0][0] is not None or len(batch) == 1:
        return parts
    middle = len(batch) // 2
    return [(None, batch[:middle]), (None, batch[middle:])]


def _named(batch: list[Outcome]) -> str:
    return f"job {batch[0].job.id}" + (f" and {len(batch) - 1} more" if len(batch) > 1 else "")


def _lock(workflow: int | None) -> str:
    return "it, or its workflow," if workflow is None else f"workflow {workflow}"
