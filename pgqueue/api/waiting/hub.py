"""Notifications of the database for all requests of this process: one connection, whatever their number."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable

from ...app import PgQueue
from ...database.calls.install import KEYS_CHANGED, QUEUES_CHANGED, RESULTS_WANTED
from .ears import BACKSTOP, Ear, JobEar, QueueEar
from .hearing import Hearing
from .signals import set_at_end
from .turns import Turns

__all__ = ["BACKSTOP", "Ear", "Hub", "JobEar", "QueueEar"]

ASKED_FOR = 15.0  # seconds for which the request of a process that waits for results counts
MOST_SWEPT = 10_000  # jobs of one look which are over
DIGITS = 20  # of an id, at most


class Hub:
    """Listens, and tells those who wait.

    Args:
        app: the install.
        stopping: ends all waits.

    Attributes:
        loop: the event loop of those who wait; None before the first.
        on_keys: called when API keys have changed.
    """

    def __init__(self, app: PgQueue, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._hearing = Hearing(app, self)
        self._jobs: dict[int, set[JobEar]] = {}
        self._any: set[JobEar] = set()
        self._queues: dict[str, dict[Hashable, Turns]] = {}
        self._ears: set[Ear] = set()
        self._used_at = time.monotonic()
        self._waits, self._watched = 0, Counter[int]()  # ears that wait for ends; how many watch each job
        self._is_new = False  # whether the workers have not been asked for something that somebody waits for
        self._swept: list[int] = []
        self._wanted_until = 0.0
        self._end: asyncio.Task[None] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.on_keys: Callable[[], None] | None = None

    @property
    def mode(self) -> str:
        """ "notify", or "polling: …" with the reason."""
        return self._hearing.mode

    @property
    def results_wanted(self) -> bool:
        """Whether a process waits for results, as far as it is known: without a connection one may."""
        since, now = self._hearing.since, time.monotonic()
        return since is None or now < max(self._wanted_until, since + ASKED_FOR)

    @property
    def is_stopping(self) -> bool:
        """Whether the process is about to end."""
        return self._stopping.is_set()

    @property
    def looks_itself(self) -> bool:
        """Whether the hub looks each second which jobs are over, so that those who wait need not."""
        return self._hearing.is_serving

    def queues(self, names: Iterable[str], alike: Hashable = None) -> QueueEar:
        """Hears when it is its turn to look for a ready job in these queues.

        Args:
            names: the queues.
            alike: the tasks of the worker, for example. Of ears for which this is equal one looks at a time, because what one
                of them does not find the others do not find either.
        """
        return QueueEar(self, tuple(names), alike)

    def ends(self, job_ids: Collection[int]) -> JobEar:
        """Hears when one of these jobs is over."""
        return JobEar(self, job_ids, is_about_ends=True)

    def changes(self, job_ids: Collection[int]) -> JobEar:
        """Hears when one of these jobs has changed."""
        return JobEar(self, job_ids, is_about_ends=False)

    def all_ends(self) -> JobEar:
        """Hears when any job is over."""
        return JobEar(self, None, is_about_ends=True)

    async def stop(self) -> None:
        """Close the connection, and end all waits."""
        self._ring_all()
        if self._end is not None and self._end.get_loop() is asyncio.get_running_loop():
            self._end.cancel()
        await self._hearing.stop()

    # What ears call.

    def join(self, ear: Ear) -> None:
        """Tell this ear from now on."""
        self._ears.add(ear)
        if isinstance(ear, QueueEar):
            ear.turns = [self._queues.setdefault(name, {}).setdefault(ear.alike, Turns()) for name in ear.names]
            for turns in ear.turns:
                turns.members += 1
        elif isinstance(ear, JobEar):
            self._join_jobs(ear)
        if not self.is_stopping:
            self._hearing.start()
            self._watch_end()

    def leave(self, ear: Ear) -> None:
        """Undo `join`."""
        self._ears.discard(ear)
        self._used_at = time.monotonic()
        if isinstance(ear, QueueEar):
            ear.leave_turns()
            self._drop_turns(ear)
        elif isinstance(ear, JobEar):
            self._leave_jobs(ear)

    def _join_jobs(self, ear: JobEar) -> None:
        ids = ear.job_ids or ()
        for id in ids:
            self._jobs.setdefault(id, set()).add(ear)
        if ear.job_ids is None:
            self._any.add(ear)
        if ear.is_about_ends:
            self._is_new = self._is_new or not self._waits
            self._waits += 1
        else:
            self._is_new = self._is_new or any(id not in self._watched for id in ids)
            self._watched.update(ids)

    def _leave_jobs(self, ear: JobEar) -> None:
        self._any.discard(ear)
        for id in ear.job_ids or ():
            self._jobs[id].discard(ear)
            if not self._jobs[id]:
                del self._jobs[id]
            if not ear.is_about_ends:
                self._watched[id] -= 1
                if not self._watched[id]:
                    del self._watched[id]
        if ear.is_about_ends:
            self._waits -= 1

    def _drop_turns(self, ear: QueueEar) -> None:
        for name, turns in zip(ear.names, ear.turns, strict=True):
            turns.members -= 1
            if not turns.members:
                del self._queues[name][ear.alike]
            if not self._queues[name]:
                del self._queues[name]
        ear.turns = []

    def _watch_end(self) -> None:
        """End all waits when the process is about to end: one task waits for that, and not each of them."""
        self.loop = loop = asyncio.get_running_loop()
        if self._end is None or self._end.done() or self._end.get_loop() is not loop:
            self._end = loop.create_task(self._ring_at_end(), name="pgqueue-hub-end")
            set_at_end(self._stopping, loop)

    async def _ring_at_end(self) -> None:
        await self._stopping.wait()
        self._ring_all()

    def _ring_all(self) -> None:
        for ear in list(self._ears):
            ear.ring()

    # What the connection calls, see `hearing.Audience`.

    def idle_for(self) -> float:
        return 0.0 if self._ears else time.monotonic() - self._used_at

    def to_ask(self) -> tuple[bool, list[int], bool]:
        is_new, self._is_new = self._is_new, False
        return self._waits > 0, list(self._watched), is_new

    def to_sweep(self) -> list[int]:
        if not self._swept:  # a new round: all that are waited for now
            self._swept = [id for id, ears in self._jobs.items() if any(ear.is_about_ends for ear in ears)]
        ids, self._swept = self._swept[:MOST_SWEPT], self._swept[MOST_SWEPT:]
        return ids

    def woken(self, payload: str) -> None:
        if payload == RESULTS_WANTED:
            self._wanted_until = time.monotonic() + ASKED_FOR
        elif payload == KEYS_CHANGED:
            if self.on_keys is not None:
                self.on_keys()
        elif payload == QUEUES_CHANGED:
            for name in list(self._queues):
                self._wake(name)
        else:
            self._wake(payload)

    def _wake(self, queue: str) -> None:
        for turns in list(self._queues.get(queue, {}).values()):
            turns.wake()

    def changed(self, payload: str) -> None:
        self.over([int(id) for id in payload.split(",") if id.isdecimal() and id.isascii() and len(id) < DIGITS])

    def over(self, job_ids: list[int]) -> None:
        heard: dict[JobEar, list[int]] = {}
        for id in job_ids:
            for ear in self._jobs.get(id, ()):
                heard.setdefault(ear, []).append(id)
        for ear in self._any if job_ids else ():
            heard[ear] = job_ids
        for ear, ids in heard.items():
            ear.hear(ids)

    def look_all(self) -> None:
        for ear in list(self._ears):
            if isinstance(ear, JobEar):
                ear.hear(None)
        for name in list(self._queues):
            self._wake(name)
