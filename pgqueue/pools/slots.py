"""The slots that an agent holds, as places of its crew: what was told is done, and what has come of it is said."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import cast

from ..database.calls.agents import Slot, Turn
from ..supervisor.crew import Crew
from ..supervisor.place import How
from ..worker.launch import REFUSED, Launch

log = logging.getLogger("pgqueue.agent")
FIRST_WAIT = 5.0  # seconds until a worker that cannot work with its settings is started again; doubles up to LONGEST_WAIT
LONGEST_WAIT = 60.0
TROUBLED_AFTER = 2  # starts in a row that have failed


class Slots:
    """What runs in the slots of an agent.

    Args:
        launching: what the worker of a slot is started with.
    """

    def __init__(self, launching: Callable[[Turn, Slot], Launch]) -> None:
        self._launching = launching
        self._told: dict[int, Slot] = {}  # as of the last turn
        self._generations: dict[int, int] = {}  # of the workers that run, or are to
        self._left: dict[int, How] = {}
        self._rolls: dict[int, asyncio.Future[bool]] = {}
        self._refused: dict[int, tuple[int, float, str]] = {}  # how often in a row, when to try again, and why
        self._crew: Crew | None = None

    def begin(self, crew: Crew) -> None:
        """Use this crew."""
        self._crew = crew

    @property
    def crew(self) -> Crew:
        """The crew in whose places the workers run; the number of a place is that of its slot."""
        assert self._crew is not None
        return self._crew

    def obey(self, turn: Turn) -> None:
        """Do what was told. Whoever is told the same again does nothing more."""
        self._told = {slot.number: slot for slot in turn.slots}
        for number in (self._generations.keys() | self._refused.keys()) - self._told.keys():
            self._leave(number, "drain")
        for slot in turn.slots:
            if slot.leaving:
                self._leave(slot.number, cast(How, slot.leaving))
            elif slot.number not in self._generations:
                self._fill(slot, turn)
            elif self._generations[slot.number] != slot.generation:
                self._roll(slot, self._launching(turn, slot))

    def _fill(self, slot: Slot, turn: Turn) -> None:
        _, again_at, _ = self._refused.get(slot.number, (0, 0.0, ""))
        if time.monotonic() >= again_at:
            self._left.pop(slot.number, None)
            self._generations[slot.number] = slot.generation
            self.crew.fill(slot.number, self._launching(turn, slot))

    def _leave(self, number: int, how: How) -> None:
        self._generations.pop(number, None)
        self._refused.pop(number, None)
        self._rolls.pop(number, None)
        if self._left.get(number) not in (how, "now"):
            self._left[number] = how
            self.crew.leave(number, how)

    def _roll(self, slot: Slot, launch: Launch) -> None:
        before, self._generations[slot.number] = self._generations[slot.number], slot.generation
        rolling = self._rolls[slot.number] = self.crew.roll(slot.number, launch)
        rolling.add_done_callback(lambda done: self._rolled(slot.number, done, before))

    def _rolled(self, number: int, done: "asyncio.Future[bool]", before: int) -> None:
        if self._rolls.get(number) is done:
            del self._rolls[number]
            if not (done.cancelled() or done.result()) and number in self._generations:
                self._generations[number] = before  # the next turn tries again

    def roll_all(self) -> None:
        """Replace all workers by such of the code that is there now."""
        for number in list(self._generations):
            self._generations[number] = 0

    def drop(self) -> None:
        """Hold nothing any more: all workers end once their handlers have."""
        for number in self._generations.keys() | self._refused.keys():
            self._leave(number, "drain")
        self._told = {}

    def stop(self) -> None:
        """Hold nothing any more: all workers end within the grace."""
        self._told = {}
        if self._crew is not None:
            for number in [*self._generations, *self._crew.places()]:
                self._leave(number, "now")

    def gone(self, number: int, code: int) -> None:
        """A place is empty for good. If its slot stays, another worker starts there: later, if this one could not work."""
        if number not in self._generations:
            return
        del self._generations[number]
        self._rolls.pop(number, None)
        if code == REFUSED:
            times = self._refused.get(number, (0, 0.0, ""))[0] + 1
            view = self.crew.places().get(number)
            reason = (view.last_error if view else None) or "it cannot work with these settings; see the log"
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(times - 1, 10))
            self._refused[number] = (times, time.monotonic() + wait, reason)
            log.error("the worker of slot %s cannot start: %s; the next try in %.0f s", number, reason, wait)

    # What has come of it.

    def ended(self) -> list[int]:
        """The slots that it was told to leave, and in which nothing runs any more."""
        return [slot.number for slot in self._told.values() if slot.leaving and slot.number not in self.crew.places()]

    def wanted(self) -> int:
        """How many workers are to run here."""
        return sum(not slot.leaving for slot in self._told.values())

    def occupied(self) -> int:
        """How many processes run beside those of its slots."""
        views = self.crew.places().items()
        return sum(max(0, view.leaving + (view.pid is not None) - (number in self._told)) for number, view in views)

    def ready(self) -> frozenset[tuple[int, int | None]]:
        """The workers that claim jobs. Another set is news for the pool."""
        views = self.crew.places().items()
        return frozenset((number, view.pid) for number, view in views if view.status and view.status.state == "ready")

    def trouble(self) -> str | None:
        """Why a worker does not start, in words; None = all do."""
        for number in sorted(self._generations.keys() | self._refused.keys()):
            if number in self._refused and number not in self._generations:
                return f"slot {number}: {self._refused[number][2]}"
            view = self.crew.places().get(number)
            if view and view.failures >= TROUBLED_AFTER and view.last_error:
                return f"slot {number}: {view.last_error}"
        return None

    def retry_in(self) -> float:
        """Seconds until a worker that could not start is to be tried again."""
        times = [again_at for number, (_, again_at, _) in self._refused.items() if number not in self._generations]
        return max(0.0, min(times) - time.monotonic()) if times else float("inf")
