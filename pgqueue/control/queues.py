"""What an app can do to its queues at run time: pause, resume, drain, settings."""

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any, Unpack

from .._checks import Duration, check_duration, check_time, check_timeout, interval, invalid, read_text
from ..client import Client
from ..database import Call
from ..database.calls import queues as calls
from ..database.calls.queues import Pause
from ..errors import InvalidArgument
from .drain import Drain
from .queue_settings import QueueSettings, settings_json


class QueueControl(Client):
    """The part of an app that controls queues."""

    def pause(
        self,
        queue: str | None = None,
        *,
        task: str | None = None,
        everything: bool = False,
        until: datetime | Duration | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> bool:
        """Let no job of a queue, of a task, or of everything start. Jobs that run go on; so do enqueues and schedules.

        Args:
            queue, task, everything: what to pause: one of them.
            until: a datetime with a time zone, or a timedelta or seconds from now; by default until `resume`.
            reason: why, for people; up to 1,000 characters.
            by: who; the user of the database by default. Up to 200 characters.

        Returns:
            Whether it was not paused before. The new time, reason and name replace those of an earlier pause.

        Raises:
            InvalidArgument: an argument is invalid.
        """
        return self.database.run(pausing(subject_of(queue, task, everything), until, reason, by))

    async def apause(
        self,
        queue: str | None = None,
        *,
        task: str | None = None,
        everything: bool = False,
        until: datetime | Duration | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> bool:
        """`pause` for async code."""
        return await self.async_database.run(pausing(subject_of(queue, task, everything), until, reason, by))

    def resume(self, queue: str | None = None, *, task: str | None = None, everything: bool = False) -> bool:
        """End a pause. A queue of which everything is paused as well stays paused.

        Args:
            queue, task, everything: as in `pause`.

        Returns:
            Whether it was paused.

        Raises:
            InvalidArgument: an argument is invalid.
        """
        return self.database.run(calls.resume(*subject_of(queue, task, everything)))

    async def aresume(self, queue: str | None = None, *, task: str | None = None, everything: bool = False) -> bool:
        """`resume` for async code."""
        return await self.async_database.run(calls.resume(*subject_of(queue, task, everything)))

    def pauses(self) -> list[Pause]:
        """Everything that is paused now."""
        return self.database.run(calls.pauses())

    async def apauses(self) -> list[Pause]:
        """`pauses` for async code."""
        return await self.async_database.run(calls.pauses())

    def drain(self, queue: str, timeout: float | None = None, *, reason: str | None = "drain", by: str | None = None) -> None:
        """Pause a queue and wait until none of its jobs runs. It stays paused, until `resume`, whatever happens.

        Args:
            queue: its name.
            timeout: seconds to wait; None (default) waits without limit, 0 looks once.
            reason, by: as in `pause`.

        Raises:
            DrainTimeout: jobs of it still run.
            InvalidArgument: an argument is invalid.
        """
        wait = _drain(queue, timeout)
        self.pause(queue, reason=reason, by=by)
        while (pause := wait.look(self.database.run(wait.call()))) is not None:
            time.sleep(pause)

    async def adrain(
        self, queue: str, timeout: float | None = None, *, reason: str | None = "drain", by: str | None = None
    ) -> None:
        """`drain` for async code."""
        wait = _drain(queue, timeout)
        await self.apause(queue, reason=reason, by=by)
        while True:
            pause = wait.look(await self.async_database.run(wait.call()))
            if pause is None:
                return
            await asyncio.sleep(pause)

    def set_queue(self, name: str, **settings: Unpack[QueueSettings]) -> None:
        """Change settings of a queue. They apply at once, also to waiting jobs.

        Args:
            name: of the queue; it need not have jobs yet.
            settings: see `QueueSettings`. What is not given stays as it is.

        Raises:
            InvalidArgument: a value is invalid.
        """
        self.database.run(calls.set_queue(_name(name), settings_json(settings)))

    async def aset_queue(self, name: str, **settings: Unpack[QueueSettings]) -> None:
        """`set_queue` for async code."""
        await self.async_database.run(calls.set_queue(_name(name), settings_json(settings)))

    def reset_queue(self, name: str) -> bool:
        """Give all settings of a queue their defaults again.

        Returns:
            Whether it had any.
        """
        return self.database.run(calls.reset_queue(_name(name)))

    async def areset_queue(self, name: str) -> bool:
        """`reset_queue` for async code."""
        return await self.async_database.run(calls.reset_queue(_name(name)))


def subject_of(queue: str | None, task: str | None, everything: bool) -> tuple[str, str | None]:
    """Kind and name of what is paused or resumed.

    Raises:
        InvalidArgument: nothing is named, or more than one thing.
    """
    given: list[tuple[str, str | None]] = []
    if queue is not None:
        given.append(("queue", _name(queue, "queue")))
    if task is not None:
        given.append(("task", _name(task, "task")))
    if everything:
        given.append(("everything", None))
    if len(given) != 1:
        named = "nothing is named" if not given else "more than one thing is named"
        remedy = "give one queue, or one task (task=, --task), or everything (everything=True, --everything)"
        raise InvalidArgument(f"queue: {named}; {remedy}")
    return given[0]


def pausing(subject: tuple[str, str | None], until: datetime | Duration | None, reason: str | None, by: str | None) -> Call[bool]:
    """The call that pauses.

    Raises:
        InvalidArgument: the time or a text is invalid.
    """
    at = after = None
    if isinstance(until, datetime):
        check_time("until", until)
        at = until.isoformat()
    elif until is not None:
        check_duration("until", until)
        if (until if isinstance(until, int | float) else until / timedelta(seconds=1)) <= 0:
            raise invalid("until", until, "use a datetime, or a timedelta or seconds from now, more than 0")
        after = interval(until)
    return calls.pause(*subject, at, after, read_text("by", by), read_text("reason", reason))


def _drain(queue: str, timeout: float | None) -> Drain:
    if timeout is not None:
        check_timeout(timeout)
    return Drain(_name(queue, "queue"), timeout)


def _name(name: Any, field: str = "name") -> str:
    if (text := read_text(field, name)) is None:
        raise invalid(field, name, "use a text")
    return text
