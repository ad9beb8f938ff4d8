"""Those that wait in a request: each is woken by the hub, by its own clock, or by the end of the process."""

import asyncio
import random
import time
from collections.abc import Collection, Hashable
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from .turns import Turns

BACKSTOP = 1.0  # seconds until a wait ends in any case: a notification may be lost
LOOKED_AFTER = 10.0  # seconds of the same, while the hub itself looks each second which jobs are over
MOST_IDS = 1000  # jobs of one ear; one with more hears of any job
MOST_HEARD = 1000  # ids that an ear keeps until it is asked; then it hears of any job


class Board(Protocol):
    """What an ear needs to know of its hub."""

    @property
    def is_stopping(self) -> bool:
        """Whether the process is about to end."""

    @property
    def looks_itself(self) -> bool:
        """Whether the hub looks which jobs are over."""

    def join(self, ear: "Ear") -> None:
        """Tell this ear."""

    def leave(self, ear: "Ear") -> None:
        """Undo `join`."""


class Ear:
    """One that waits; use it as a context manager, entered before the first look, so that nothing is missed between the two."""

    def __init__(self, board: Board) -> None:
        self._board, self._event = board, asyncio.Event()

    def __enter__(self) -> Self:
        self._board.join(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._board.leave(self)

    def ring(self) -> None:
        """End the wait."""
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Wait `seconds` at most, and `BACKSTOP` at most if notifications do not work. Returns whether the process is to end."""
        raise NotImplementedError

    def heard(self) -> list[int] | None:
        """The jobs of the notifications since the last call; None = any of them may have changed."""
        return None

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0 and not self._board.is_stopping and not self._event.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._event.wait()
        self._event.clear()


class JobEar(Ear):
    """Waits for jobs.

    Args:
        board: the hub.
        job_ids: the jobs; None = any.
        is_about_ends: whether it waits for ends only, and not for all changes.

    Attributes:
        job_ids: the jobs; None = any.
    """

    def __init__(self, board: Board, job_ids: Collection[int] | None, is_about_ends: bool) -> None:
        super().__init__(board)
        self.job_ids = None if job_ids is None or len(job_ids) > MOST_IDS else frozenset(job_ids)
        self.is_about_ends = is_about_ends
        self._heard: list[int] | None = []

    def hear(self, job_ids: list[int] | None) -> None:
        """Note that these jobs have changed; None = any."""
        if job_ids is None or self._heard is None or len(self._heard) + len(job_ids) > MOST_HEARD:
            self._heard = None
        else:
            self._heard += job_ids
        self.ring()

    async def wait(self, seconds: float) -> bool:
        is_looked_after = self.is_about_ends and self.job_ids is not None and self._board.looks_itself
        longest = LOOKED_AFTER * random.uniform(0.8, 1.0) if is_looked_after else BACKSTOP
        await self._sleep(min(seconds, longest))
        if not self._heard:  # the time is over: it looks at all
            self._heard = None
        return self._board.is_stopping

    def heard(self) -> list[int] | None:
        heard, self._heard = self._heard, []
        return heard


class QueueEar(Ear):
    """Waits for ready jobs of queues; it is woken when it is its turn to look, see `turns`.

    Args:
        board: the hub.
        names: the queues.
        alike: those of one queue for which this is equal find the same jobs.

    Attributes:
        has_turn: whether it is to look now.
    """

    def __init__(self, board: Board, names: Collection[str], alike: Hashable) -> None:
        super().__init__(board)
        self.names, self.alike = frozenset(names), alike
        self.turns: list[Turns] = []  # those of its queues, while it is in the hub
        self._held: list[Turns] = []
        self.has_turn = False

    async def wait(self, seconds: float, look_in: float | None = None) -> bool:
        """Wait for the turn, `seconds` at most. It says that the last look has found nothing.

        Args:
            look_in: in how many seconds somebody is to look in any case, as `claim` says it; None = as always.
        """
        self._end(may_have_more=False)
        ends = time.monotonic() + seconds
        for turns in self.turns:
            turns.waiting[self] = None
            if look_in is not None:
                turns.wish(look_in)
        for turns in self.turns:
            if not self.has_turn:
                turns.offer(time.monotonic())
        try:
            while not (self.has_turn or self._board.is_stopping or time.monotonic() >= ends):
                await self._sleep(ends - time.monotonic())
        finally:
            self._stop_waiting()
        return self._board.is_stopping

    def pass_on(self) -> None:
        """The look has found jobs, and there may be more: the next one is to look."""
        self._end(may_have_more=True)

    def take(self, now: float) -> None:
        """See `Taker`: the hub calls it."""
        self._stop_waiting()
        self._held = [turns for turns in self.turns if turns.give(self, now)]
        self.has_turn = True
        self.ring()

    def leave_turns(self) -> None:
        """Pass on what it has: it is not known whether it has looked."""
        self._stop_waiting()
        self._end(may_have_more=True)

    def _end(self, may_have_more: bool) -> None:
        held, self._held, self.has_turn = self._held, [], False
        for turns in held:
            turns.end(self, may_have_more)

    def _stop_waiting(self) -> None:
        for turns in self.turns:
            turns.waiting.pop(self, None)
