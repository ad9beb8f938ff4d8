"""The worker's row in the database: registering, registering again after a lost lease, leaving."""

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from .. import __version__
from ..database import Link
from ..database.call import Call
from ..database.calls import workers as worker_calls
from ..errors import Disconnected, PgQueueError
from .liveness import now
from .options import WorkerOptions
from .signals import Alarm

log = logging.getLogger("pgqueue.worker")
T = TypeVar("T")


class Membership:
    """One worker's membership in the install.

    Args:
        link: the connection for its calls.
        queues: the queues that the worker serves.
        options: settings of the worker.
        lease: seconds.
        schedules: the names of the schedules that its app declares.
        tasks: the names of its tasks.
        about: what else it says of itself, see the SQL function register_worker.
        drop: forgets all jobs of the worker; called when its lease is lost.
        adopt: called with the registered id and the time when the registration was sent; see Liveness.adopt.
        alarm: rung when the worker has registered again.

    Attributes:
        id: the worker's current id; it changes after a lost lease.
    """

    def __init__(
        self,
        link: Link,
        queues: list[str],
        options: WorkerOptions,
        lease: float,
        schedules: list[str],
        tasks: list[str],
        about: Mapping[str, Any],
        drop: Callable[[], Awaitable[None]],
        adopt: Callable[[UUID, float], None],
        alarm: Alarm,
    ) -> None:
        self._link, self._queues, self._options, self._lease = link, queues, options, lease
        self._schedules, self._tasks, self._about = schedules, tasks, about
        self._drop, self._adopt, self._alarm = drop, adopt, alarm
        self._registered, self._lost = asyncio.Event(), asyncio.Event()
        self._renewing = asyncio.Lock()
        self._left = False
        self.id = uuid.uuid4()
        self._name = options.name or f"{socket.gethostname()}:{os.getpid()}"

    def who(self) -> tuple[UUID, str]:
        """The current id, and the name."""
        return self.id, self._name

    async def registered_id(self) -> UUID:
        """The current id, as soon as it is registered."""
        await self._registered.wait()
        return self.id

    def is_current(self, id: UUID) -> bool:
        """Whether this id is registered, and not known to be lost."""
        return id == self.id and self._registered.is_set()

    async def register(self) -> None:
        """Register under the current id."""
        options = self._options
        host, pid = socket.gethostname(), os.getpid()
        call = worker_calls.register_worker(
            self.id,
            self._name,
            host,
            pid,
            __version__,
            self._queues,
            options.concurrency,
            self._lease,
            self._schedules,
            self._tasks,
            self._about,
        )
        asked: list[float] = []

        def ask() -> Call[None]:
            asked.append(now())
            return call

        await self.until_answered(ask)
        self._adopt(self.id, asked[-1])
        self._registered.set()

    def note_lost(self, lost_id: UUID) -> None:
        """Note that the lease of this id is lost; `renew` acts on it."""
        if lost_id == self.id and not self._left:
            self._registered.clear()
            self._lost.set()

    async def lose(self, lost_id: UUID) -> None:
        """`note_lost` for the claimer."""
        self.note_lost(lost_id)

    async def renew(self) -> None:
        """When the lease is lost: drop all jobs and register under a new id, so that no old outcome is accepted."""
        while True:
            await self._lost.wait()
            async with self._renewing:
                if not self._left:
                    log.error("worker %s lost its lease; its jobs run elsewhere; it registers again", self.id)
                    self.id = uuid.uuid4()
                    await self._drop()
                    await self.register()
                self._lost.clear()
            self._alarm.ring()

    async def retire(self, cut_off: list[int]) -> None:
        """Leave. After this a heartbeat that does not find the row is not a lost lease.

        Args:
            cut_off: jobs whose handlers did not end in time.
        """
        async with self._renewing:
            await self.until_answered(lambda: worker_calls.retire_worker(self.id, cut_off))
            self._left = True

    async def retired_within(self, seconds: float, cut_off: list[int]) -> bool:
        """`retire`; whether the database answered in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.retire(cut_off)
        return self._left

    async def leave_unregistered(self, seconds: float) -> None:
        """Leave after a stop during the registration: the row may exist although the answer did not arrive."""
        with suppress(TimeoutError, PgQueueError, psycopg.Error):
            async with asyncio.timeout(seconds):
                await self.until_answered(lambda: worker_calls.retire_worker(self.id))

    async def until_answered(self, call: Callable[[], Call[T]], *, tell_locked: bool = False) -> T:
        """Run a call again and again until the database answers; `tell_locked` as in `Link.run`."""
        while True:
            try:
                return await self._link.run(call(), tell_locked=tell_locked)
            except Disconnected:
                log.debug("not answered; asking again")
