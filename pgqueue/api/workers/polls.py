"""Claims over HTTP: long polls that hold no connection while they wait, and jobs that reach nobody, which are given back."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from ...database.call import Call, Rows
from ...database.calls import run as run_calls
from ...errors import PgQueueError
from ..problems import Problem
from ..waiting.hub import BACKSTOP, Hub, QueueEar

log = logging.getLogger("pgqueue.api")
MOST_POLLS = 1000  # at once in a process
MOST_BYTES = 8 * 2**20  # of the jobs of one answer; one job is answered whatever its size
HAND_OVER_WITHIN = 10.0  # seconds for a client to read an answer
GIVE_BACK_TRIES = 3
BUSY_AGAIN = 0.05  # seconds until the next look at jobs that another claim was just looking at
Run = Callable[[Call[Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asks for.

    Attributes:
        worker: who claims.
        token: of the claim: the id that the client gave, or one of ours.
        queues: where to look, in this order.
        want: how many jobs at most.
        wait: seconds to wait for the first one.
        is_named: whether the client gave the token, and so may ask again.
    """

    worker: UUID
    token: UUID
    queues: tuple[str, ...]
    want: int
    wait: float
    is_named: bool


class Poll:
    """One request that claims. It is open until its answer is written, or its jobs are given back.

    Args:
        wanted: what it asks for.
        gone: ends when its client is gone.

    Attributes:
        rows: the claimed jobs, as `Claimed` has them.
        again_in: in how many seconds another look makes sense; 0 = at once.
        over: done when its client is gone, or another request has taken its place.
        ended: set when nothing of it is left to do.
        is_replaced: whether another request with the same token has taken its place. Then its jobs belong to that one.
    """

    def __init__(self, wanted: Wanted, gone: "asyncio.Task[None]") -> None:
        self.wanted, self._gone = wanted, gone
        self.rows: Rows = []
        self.again_in = 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.is_replaced = False
        gone.add_done_callback(lambda _: self._end())

    def replace(self) -> None:
        """Let another request take its place."""
        self.is_replaced = True
        self._end()

    def close(self) -> None:
        """Nothing of it is left to do."""
        self._gone.cancel()
        self.ended.set()

    def _end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


class Polls:
    """All polls of a process.

    Args:
        run: runs a call.
        hub: tells when there may be jobs.
        stopping: set when the process is about to end; then polls end with no jobs.
    """

    def __init__(self, run: Run, hub: Hub, stopping: asyncio.Event) -> None:
        self._run, self._hub, self._stopping = run, hub, stopping
        self._open: dict[tuple[UUID, UUID], Poll] = {}
        self._running = set[asyncio.Future[Any]]()

    async def open(self, wanted: Wanted, gone: "asyncio.Task[None]") -> Poll:
        """A new poll, in the place of one with the same token.

        Raises:
            Problem: there are too many.
        """
        key = wanted.worker, wanted.token
        while before := self._open.get(key):
            before.replace()
            await before.ended.wait()
        if len(self._open) >= MOST_POLLS:
            raise Problem("too-many-streams", f"{MOST_POLLS} claims wait in this process", {"Retry-After": "1"})
        poll = self._open[key] = Poll(wanted, gone)
        return poll

    def close(self, poll: Poll) -> None:
        """Forget a poll."""
        if self._open.get(key := (poll.wanted.worker, poll.wanted.token)) is poll:
            del self._open[key]
        poll.close()

    async def claim(self, poll: Poll) -> None:
        """Claim, or wait until there is something to claim; `poll.rows` has the jobs.

        Many polls of a queue look in turns, see `turns`: one look that finds nothing counts for all of them.
        """
        wanted = poll.wanted
        if wanted.is_named:
            poll.rows = await self._run(run_calls.claimed_jobs(wanted.worker, wanted.token))
        deadline = time.monotonic() + wanted.wait
        with self._hub.queues(wanted.queues) as ear:
            may_look = True
            while may_look and not (poll.rows or self._is_over(poll)):
                again_in = await self._look(poll)
                if len(poll.rows) >= wanted.want:
                    ear.pass_on()
                may_look = not poll.rows and await self._pause(poll, ear, deadline - time.monotonic(), again_in)
        await self._bound(poll)

    def _is_over(self, poll: Poll) -> bool:
        return poll.over.done() or self._stopping.is_set()

    async def _look(self, poll: Poll) -> float:
        """Claim what there is. Returns in how many seconds another look makes sense."""
        wanted = poll.wanted
        call = run_calls.claim(wanted.worker, wanted.token, list(wanted.queues), wanted.want, None, None)
        claiming = self._keep(self._run(call))
        try:
            poll.rows, again_in, _ = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            claiming.add_done_callback(lambda done: self._unwanted(wanted.token, done))
            raise
        again = BACKSTOP if again_in is None else min(max(again_in, BUSY_AGAIN), BACKSTOP)
        poll.again_in = 0.0 if poll.rows else again
        return again

    async def _pause(self, poll: Poll, ear: QueueEar, left: float, look_in: float) -> bool:
        """Wait until this poll is to look again; False if its time is over."""
        if left <= 0:
            return False
        hearing = asyncio.ensure_future(ear.wait(left, look_in))
        first: set[asyncio.Future[Any]] = {hearing, poll.over}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hearing.cancel()
        return ear.has_turn

    async def _bound(self, poll: Poll) -> None:
        """Give back what would make the answer too large."""
        size = 0
        for index, row in enumerate(poll.rows):
            size += sum(len(row[part] or "") for part in (3, 9, 10, 12))
            if size > MOST_BYTES and index:
                rest, poll.rows = poll.rows[index:], poll.rows[:index]
                await asyncio.shield(self._keep(self._return(poll.wanted.token, [row[0] for row in rest])))
                return

    async def give_back(self, poll: Poll) -> None:
        """Give back the jobs of a poll whose answer has reached nobody."""
        if poll.rows and not poll.is_replaced:
            rows, poll.rows = poll.rows, []
            await asyncio.shield(self._keep(self._return(poll.wanted.token, [row[0] for row in rows])))

    def _unwanted(self, token: UUID, claimed: "asyncio.Future[Any]") -> None:
        if not claimed.cancelled() and claimed.exception() is None and (rows := claimed.result().rows):
            self._keep(self._return(token, [row[0] for row in rows]))

    async def _return(self, token: UUID, ids: list[int]) -> None:
        for _ in range(GIVE_BACK_TRIES):
            with suppress(PgQueueError, psycopg.Error, Problem):
                await self._run(run_calls.give_back(token, ids))
                return
        log.warning("%s claimed jobs could not be given back; the next heartbeat of their worker does it", len(ids))

    def _keep(self, work: Awaitable[Any]) -> "asyncio.Future[Any]":
        future = asyncio.ensure_future(work)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future
