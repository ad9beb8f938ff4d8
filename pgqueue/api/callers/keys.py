"""The keys that this process has looked up: for a second, and at most until the database says that keys have changed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hmac import compare_digest
from time import monotonic
from typing import Any, TypeVar, cast

from ...database.call import Call
from ...database.calls import keys as calls
from ...database.calls.keys import FoundKey
from .. import problems
from ..problems import Problem
from .caller import Role

log = logging.getLogger("pgqueue.api")
FRESH = 1.0  # seconds
MOST = 10_000  # keys that are remembered
NOTE_EVERY = 60.0  # seconds
STOP_WITHIN = 2.0  # seconds
_UNKNOWN_AT_ONCE = 4  # look-ups of keys that were never valid here
_NO_HASH = bytes(32)  # what the secret of a key that does not exist is compared with, so that it takes as long
T = TypeVar("T")


class Key:
    """A key that was valid when it was looked up.

    Attributes:
        id: its public part.
        hash: SHA-256 of its secret.
        name, role, may_read_arguments: as in `FoundKey`.
        queues: the only queues that it is for; None = all.
        fresh_until: until when nobody looks again.
    """

    __slots__ = ("fresh_until", "hash", "id", "may_read_arguments", "name", "queues", "role")

    def __init__(self, id: str, found: FoundKey, asked_at: float) -> None:
        self.id, self.hash, self.name = id, bytes(found.hash), found.name
        self.role = cast(Role, found.role)  # SQL checks it
        self.queues = None if found.queues is None else frozenset(found.queues)
        self.may_read_arguments = found.may_read_arguments
        left = FRESH if found.valid_for is None else found.valid_for.total_seconds()
        self.fresh_until = asked_at + min(FRESH, left)


class Keys:
    """Finds keys.

    Args:
        run: runs a call.
    """

    def __init__(self, run: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._run = run
        self._known: dict[str, Key] = {}
        self._flights: dict[str, asyncio.Task[Any]] = {}
        self._has_keys, self._has_keys_until = True, 0.0
        self._noted: dict[str, float] = {}
        self._notes = set[asyncio.Task[None]]()
        self._changes = 0
        self.turns = asyncio.Semaphore(_UNKNOWN_AT_ONCE)

    def fresh(self, id: str, hash: bytes) -> Key | None:
        """A key that was looked up within the last second, if this is its secret."""
        key = self._known.get(id)
        is_it = compare_digest(hash, _NO_HASH if key is None else key.hash)
        return key if is_it and key is not None and monotonic() < key.fresh_until else None

    def was_valid(self, id: str, hash: bytes) -> bool:
        """Whether this key was valid when it was looked up last."""
        key = self._known.get(id)
        return key is not None and compare_digest(hash, key.hash)

    async def find(self, id: str, hash: bytes) -> Key | None:
        """A key that is valid; None if there is none, or this is not its secret.

        Raises:
            Problem: the database does not answer.
        """
        key = self._known.get(id)
        if key is None or monotonic() >= key.fresh_until:
            key = await self._once(id, lambda: self._look_up(id))
        is_it = compare_digest(hash, _NO_HASH if key is None else key.hash)
        return key if is_it else None

    async def exist(self) -> bool:
        """Whether there has ever been a key.

        Raises:
            Problem: the database does not answer.
        """
        if monotonic() < self._has_keys_until:
            return self._has_keys
        return await self._once("", self._look_whether)

    def forget(self) -> None:
        """Look up every key again: the database has said that keys have changed."""
        self._changes += 1
        self._flights.clear()  # what they find may be older than the change
        self._has_keys_until = 0.0
        for key in self._known.values():
            key.fresh_until = 0.0

    async def stop(self) -> None:
        """End what runs beside requests."""
        tasks = [*self._notes, *self._flights.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_WITHIN)
        for task in tasks:
            task.cancel()

    async def _once(self, name: str, look: Callable[[], Awaitable[T]]) -> T:
        """Look, once for all requests that want to know this now. A request that is cancelled does not end it for the others."""
        flight = self._flights.get(name)
        if flight is None or flight.get_loop() is not asyncio.get_running_loop():
            flight = self._flights[name] = asyncio.ensure_future(look())
            flight.add_done_callback(lambda done: self._landed(name, done))
        return await asyncio.shield(flight)

    def _landed(self, name: str, flight: asyncio.Task[Any]) -> None:
        if self._flights.get(name) is flight:
            del self._flights[name]
        if not flight.cancelled():
            flight.exception()  # nobody may be left to whom it could be told

    async def _look_up(self, id: str) -> Key | None:
        asked_at, changes = monotonic(), self._changes
        found = await self._ask(calls.find_key(id))
        self._known.pop(id, None)
        if found is None:
            return None
        key = self._known[id] = Key(id, found, asked_at)
        if changes != self._changes:
            key.fresh_until = 0.0
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        self._note(id, asked_at)
        return key

    async def _look_whether(self) -> bool:
        asked_at, changes = monotonic(), self._changes
        has_keys = await self._ask(calls.has_keys())
        self._has_keys, self._has_keys_until = has_keys, asked_at + FRESH if changes == self._changes else 0.0
        return has_keys

    async def _ask(self, call: Call[T]) -> T:
        try:
            answer: T = await self._run(call)
        except Exception as error:
            problem = problems.of(error)
            if problem is not None and problem.kind in ("deadline", "locked"):
                raise Problem("database-unavailable", "the database does not answer", {"Retry-After": "1"}) from error
            raise
        return answer

    def _note(self, id: str, now: float) -> None:
        """Tell the database that a key is in use, beside the request."""
        if self._noted.get(id, -NOTE_EVERY) > now - NOTE_EVERY:
            return
        if len(self._noted) >= MOST:
            self._noted = {name: at for name, at in self._noted.items() if at > now - NOTE_EVERY}
        self._noted[id] = now
        task = asyncio.ensure_future(self._tell(id))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _tell(self, id: str) -> None:
        try:
            await self._run(calls.note_key_used([id]))
        except Exception as error:  # the next request of this minute or the next tries again
            with suppress(KeyError):
                del self._noted[id]
            log.debug("the use of the key %s was not noted: %s", id, error)
