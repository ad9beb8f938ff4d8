"""Outcomes blocked by another transaction's lock: retried separately from the others, on their own connection.

`finish` waits 100 ms for the workflows of its jobs and then refuses the whole batch. So a long
transaction of a user that adds to a workflow would delay the jobs of everybody; here it delays only the jobs of its workflow.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from .deliver import Deliverer, HandedIn
from .outcome import Outcome

log = logging.getLogger("pgqueue.worker")
AGAIN = 0.1  # seconds until a group is tried again, twice as long each time
AGAIN_AT_MOST = 2.0
GROUP = 1000  # outcomes in one call
GROUP_CHARACTERS = 8_000_000  # characters in one call; see BATCH_CHARACTERS of finish
MOST = 10_000  # outcomes that may wait here; at this number no more jobs start
SAY_AFTER = 5  # tries
DOUBLED_AT_MOST = 10  # doublings; a transaction may be open for weeks, and a float cannot hold 2**1024


@dataclass(slots=True, eq=False)
class _Group:
    """Outcomes that are tried together.

    Attributes:
        workflow: the workflow of all outcomes; None if it is not known, or if there are several.
        due: when to try, on time.monotonic().
        jobs: the ids of their jobs.
        characters: the size of all outcomes and their nodes.
    """

    workflow: int | None
    outcomes: list[Outcome]
    tries: int = 0
    due: float = 0.0
    jobs: set[int] = field(init=False)
    characters: int = field(init=False)

    def __post_init__(self) -> None:
        self.outcomes = [*self.outcomes]  # a copy: more outcomes may join, and the list belongs to the caller
        self.jobs = {outcome.job.id for outcome in self.outcomes}
        self.characters = sum(outcome.size for outcome in self.outcomes)

    def has_room(self, outcome: Outcome) -> bool:
        """Whether the outcome fits into this group: one call has at most one outcome of a job."""
        fits = self.characters + outcome.size <= GROUP_CHARACTERS
        return fits and len(self.outcomes) < GROUP and outcome.job.id not in self.jobs

    def append(self, outcome: Outcome) -> None:
        """Add an outcome; the group has room for it."""
        self.outcomes.append(outcome)
        self.jobs.add(outcome.job.id)
        self.characters += outcome.size


class Held:
    """Tries held outcomes until they are accepted.

    Args:
        deliverer: reports the outcomes, on its own connection.
        settle: takes the outcomes that were accepted or were too slow.
        on_empty: called when nothing is held any more.
    """

    def __init__(self, deliverer: Deliverer, settle: Callable[[HandedIn], None], on_empty: Callable[[], None]) -> None:
        self._deliverer, self._settle, self._on_empty = deliverer, settle, on_empty
        self._groups: dict[int, _Group] = {}
        self._numbers = count()
        self._trying: _Group | None = None
        self._changed = asyncio.Event()
        self._sizes: Counter[int | None] = Counter()  # outcomes of each workflow; read at every start and end of a job
        self._size = 0
        self._open: dict[int, _Group] = {}  # for each workflow: the group that takes more of its outcomes

    def __len__(self) -> int:
        return self._size

    def __contains__(self, workflow: int) -> bool:
        """Whether a job of this workflow is held."""
        return workflow in self._sizes

    def outcomes(self) -> list[Outcome]:
        """All held outcomes."""
        groups = [*self._groups.values(), *([self._trying] if self._trying else [])]
        return [outcome for group in groups for outcome in group.outcomes]

    def described(self) -> list[str]:
        """All held outcomes, grouped by workflow, for a message."""
        by_workflow: dict[int | None, list[Outcome]] = {}
        for outcome in self.outcomes():
            by_workflow.setdefault(_workflow(outcome), []).append(outcome)
        of = {workflow: "" if workflow is None else f" of workflow {workflow}" for workflow in by_workflow}
        return [f"{_named(outcomes)}{of[workflow]}" for workflow, outcomes in by_workflow.items()]

    def add(self, batch: list[Outcome]) -> None:
        """Take a batch that was refused."""
        self._take(batch, 0)

    def _take(self, batch: list[Outcome], tries: int) -> None:
        parts = _parts(batch)
        if len(parts) > 1:
            for part in parts:
                self._put(_Group(_only_workflow(part), part))
            return
        workflow = _workflow(batch[0])
        if tries == SAY_AFTER:
            log.warning("%s cannot be finished: an open transaction locks %s", _named(batch), _lock(workflow))
        wait = min(AGAIN_AT_MOST, AGAIN * 2 ** min(tries, DOUBLED_AT_MOST))
        self._put(_Group(workflow, batch, tries + 1, time.monotonic() + wait))

    def join(self, outcome: Outcome, workflow: int) -> None:
        """Take an outcome of a workflow that already has held outcomes."""
        group = self._open.get(workflow)
        if group is None or not group.has_room(outcome):
            self._put(_Group(workflow, [outcome], due=time.monotonic() + AGAIN))
            return
        group.append(outcome)
        self._counted([outcome])

    def _put(self, group: _Group) -> None:
        self._groups[next(self._numbers)] = group
        if group.workflow is not None:
            self._open[group.workflow] = group
        self._counted(group.outcomes)
        self._changed.set()

    def _counted(self, outcomes: list[Outcome]) -> None:
        self._sizes.update(map(_workflow, outcomes))
        self._size += len(outcomes)

    def _forget(self, group: _Group) -> None:
        """Remove a group that was tried: outcomes to try again have come back in other groups."""
        self._size -= len(group.outcomes)
        for workflow, size in Counter(map(_workflow, group.outcomes)).items():
            self._sizes[workflow] -= size
            if not self._sizes[workflow]:
                del self._sizes[workflow]

    def _take_out(self, number: int) -> _Group:
        """Take a group out, so that no outcome joins it any more."""
        group = self._groups.pop(number)
        if group.workflow is not None and self._open.get(group.workflow) is group:
            del self._open[group.workflow]
        return group

    async def run(self) -> None:
        """Retry until cancelled. The group with the fewest tries comes first, because the others may be blocked for long.

        If it is interrupted and called again, it tries the same group again.
        """
        if self._trying:
            self._deliverer.doubt(self._trying.outcomes)
            self._groups[next(self._numbers)], self._trying = self._trying, None
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
            self._trying = self._take_out(min(due)[1])
            handed = await self._deliverer.hand_in(self._trying.outcomes)
            for batch in handed.locked:
                self._take(batch, self._trying.tries)
            self._settle(handed._replace(locked=[]))
            self._forget(self._trying)
            self._trying = None

    async def _wait(self, seconds: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass


def _parts(batch: list[Outcome]) -> list[list[Outcome]]:
    """Split into the plain jobs and two halves of the workflows: so few calls find the locked one.

    If there are only plain jobs, some of which may belong to a workflow now, they are halved too; jobs of
    one workflow stay together.
    """
    by_workflow: dict[int | None, list[Outcome]] = {}
    for outcome in batch:
        by_workflow.setdefault(_workflow(outcome), []).append(outcome)
    plain = by_workflow.pop(None, [])
    if plain and not by_workflow and len(plain) > 1:
        return [plain[: len(plain) // 2], plain[len(plain) // 2 :]]
    flows = list(by_workflow.values())
    middle = 0 if plain else len(flows) // 2  # beside plain jobs, which are probably not locked, the workflows stay together
    halves = [[outcome for flow in half for outcome in flow] for half in (flows[:middle], flows[middle:])]
    return [part for part in (plain, *halves) if part]


def _workflow(outcome: Outcome) -> int | None:
    node = outcome.job.node
    return None if node is None else node.workflow


def _only_workflow(batch: list[Outcome]) -> int | None:
    """The workflow of all outcomes; None if there are several, or none."""
    workflows = set(map(_workflow, batch))
    return workflows.pop() if len(workflows) == 1 else None


def _named(batch: list[Outcome]) -> str:
    return f"job {batch[0].job.id}" + (f" and {len(batch) - 1} more" if len(batch) > 1 else "")


def _lock(workflow: int | None) -> str:
    return "it, or its workflow," if workflow is None else f"workflow {workflow}"
