"""The schedules of an app: declared in code, changed and read at run time."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar, Unpack

from .._checks import Priority, invalid, read_priority
from .._json import loads
from ..client import Client
from ..database import Call
from ..database.calls import schedules as calls
from ..database.calls.schedules import ScheduleStatus as ScheduleStatus
from ..errors import ConfigurationError, JobNotFound, ScheduleNotFound
from ..job import Job
from .changes import changes_json, job_of
from .ranges import check_range, in_chunks, next_ticks, ticks_between
from .schedule import Schedule, Scheduled
from .ticks import Ticks
from .values import Changes, check_name, is_name, read_fields

T = TypeVar("T")
MOST_NAMES = 20  # names in an error message
Statuses = list[ScheduleStatus]  # inside the class, `list` is a method
Times = list[datetime]


class Schedules:
    """The type of `app.schedules`.

    Args:
        client: runs the calls on the install.
        assert_open: raises ConfigurationError if no more schedules can be declared.

    Attributes:
        declared: the schedules that code has declared, by name. Workers send them to the database when they start. Fields that
            people have set stay as they have them, and so does a pause.
    """

    def __init__(self, client: Client, assert_open: Callable[[str], None]) -> None:
        self._client, self._assert_open = client, assert_open
        self.declared: dict[str, Schedule] = {}

    def declare(self, schedule: Schedule) -> None:
        """Declare a schedule, as `@app.task(cron=…)` does.

        Raises:
            ConfigurationError: it was declared with other values, or a worker of this app has started.
        """
        if not isinstance(schedule, Schedule):
            raise invalid("schedule", schedule, "use a Schedule, for example Schedule('nightly', report, cron='0 2 * * *')")
        known = self.declared.get(schedule.name)
        if known is None:
            self._assert_open(f"schedule {schedule.name!r}")
            self.declared[schedule.name] = schedule
        elif known.definition() != schedule.definition():
            raise ConfigurationError(
                f"schedule {schedule.name!r}: it is declared as {known.definition()} and as {schedule.definition()}; "
                "declare it once, or give one of them another name"
            )

    def set(self, name: str, call: Scheduled | None = None, *, reset: Iterable[str] = (), **changes: Unpack[Changes]) -> str:
        """Create or change a schedule. Workers follow within a second; nothing needs a restart.

        Args:
            name: as in `Schedule`.
            call: as in `Schedule`; replaces task, arguments and options together. A new schedule needs it.
            reset: the names of fields that get their default again, such as "ends_at".
            changes: fields of `Schedule` to change; None does not change a field. `cron` replaces `every`, and the reverse. Ticks
                before the change do not fire after it.

        Returns:
            "added", "changed" or "unchanged".

        Raises:
            InvalidArgument: a value is invalid, or a new schedule lacks its call or its times.
        """
        return self._run(calls.set_schedule(check_name(name), changes_json(name, changes, job_of(call), reset)))

    async def aset(
        self, name: str, call: Scheduled | None = None, *, reset: Iterable[str] = (), **changes: Unpack[Changes]
    ) -> str:
        """`set` for async code."""
        return await self._arun(calls.set_schedule(check_name(name), changes_json(name, changes, job_of(call), reset)))

    def get(self, name: str) -> ScheduleStatus:
        """A schedule and what came of its last tick.

        Raises:
            ScheduleNotFound: there is no such schedule; the message lists the names that exist.
        """
        found = self._run(calls.schedule(check_name(name)))
        if not found:
            raise unknown(name, self.list())
        return found[0]

    async def aget(self, name: str) -> ScheduleStatus:
        """`get` for async code."""
        found = await self._arun(calls.schedule(check_name(name)))
        if not found:
            raise unknown(name, await self.alist())
        return found[0]

    def list(self) -> Statuses:
        """Every schedule, in the order of their names."""
        return self._run(calls.schedules())

    async def alist(self) -> Statuses:
        """`list` for async code."""
        return await self._arun(calls.schedules())

    def pause(self, name: str) -> bool:
        """Stop making jobs. Jobs that were made already go on.

        Returns:
            Whether it changed anything: False if the schedule was paused.

        Raises:
            ScheduleNotFound: there is no such schedule.
        """
        return self._run(calls.pause_schedule(check_name(name)))

    async def apause(self, name: str) -> bool:
        """`pause` for async code."""
        return await self._arun(calls.pause_schedule(check_name(name)))

    def resume(self, name: str) -> bool:
        """Make jobs again, from the next tick on; the ticks of the pause make none, see `backfill`.

        Returns:
            Whether it changed anything: False if the schedule was not paused.

        Raises:
            ScheduleNotFound: there is no such schedule.
        """
        return self._run(calls.resume_schedule(check_name(name)))

    async def aresume(self, name: str) -> bool:
        """`resume` for async code."""
        return await self._arun(calls.resume_schedule(check_name(name)))

    def trigger(self, name: str) -> Job[Any]:
        """Make a job now, also of a paused schedule. The next tick stays as it is.

        Raises:
            ScheduleNotFound: there is no such schedule.
            InvalidArgument: the job cannot be enqueued; the message says why.
        """
        return Job(self._client, self._run(calls.trigger_schedule(check_name(name))))

    async def atrigger(self, name: str) -> Job[Any]:
        """`trigger` for async code."""
        return Job(self._client, await self._arun(calls.trigger_schedule(check_name(name))))

    def delete(self, name: str) -> None:
        """Remove a schedule. Jobs that were made already go on.

        A schedule that code declares is created again when the next worker starts: pause it instead.

        Raises:
            ScheduleNotFound: there is no such schedule.
        """
        self._run(calls.delete_schedule(check_name(name)))

    async def adelete(self, name: str) -> None:
        """`delete` for async code."""
        await self._arun(calls.delete_schedule(check_name(name)))

    def preview(
        self, what: str | Schedule, *, timezone: str | None = None, count: int = 5, after: datetime | None = None
    ) -> Times:
        """The next ticks of a schedule or of an expression.

        Args:
            what: the name of a schedule, a Schedule, or an expression. Only a name needs the database.
            timezone: for an expression; "UTC" by default.
            count: how many, 1 to 1,000.
            after: a datetime with a time zone; by default now.

        Returns:
            The ticks in the zone of the schedule; fewer if it ends.

        Raises:
            InvalidArgument: a value is invalid.
            ScheduleNotFound: there is no such schedule.
        """
        found = self.get(str(what)) if is_name(what) else what
        return next_ticks(ticks_of(found, timezone), count, after)

    async def apreview(
        self, what: str | Schedule, *, timezone: str | None = None, count: int = 5, after: datetime | None = None
    ) -> Times:
        """`preview` for async code."""
        found = await self.aget(str(what)) if is_name(what) else what
        return next_ticks(ticks_of(found, timezone), count, after)

    def backfill(
        self, name: str, since: datetime, until: datetime, *, priority: Priority | None = None, dry_run: bool = False
    ) -> int:
        """Make the jobs of ticks in the past that have made none: from before the schedule was there, missed ones, skipped ones.

        Args:
            name: the schedule; it may be paused.
            since, until: datetimes with a time zone; `since` is part of the range, `until` is not.
            priority: of these jobs; by default that of the schedule.
            dry_run: only count.

        Returns:
            The number of jobs. Each tick makes at most one, so repeating a call that failed half-way is safe. Ticks are
            remembered as long as the history (7 days by default): older ones make a job although they have fired.

        Raises:
            ScheduleNotFound: there is no such schedule.
            InvalidArgument: a value is invalid, the range has more than 100,000 ticks, or a job cannot be enqueued.
        """
        check_range(since, until)
        priority = None if priority is None else read_priority(priority)
        ticks = ticks_between(ticks_of(self.get(name), None), since, until)
        return sum(self._run(calls.backfill_schedule(name, some, dry_run, priority)) for some in in_chunks(ticks))

    async def abackfill(
        self, name: str, since: datetime, until: datetime, *, priority: Priority | None = None, dry_run: bool = False
    ) -> int:
        """`backfill` for async code."""
        check_range(since, until)
        priority = None if priority is None else read_priority(priority)
        rule = ticks_of(await self.aget(name), None)
        ticks = await asyncio.to_thread(ticks_between, rule, since, until)  # 100,000 take seconds
        return sum([await self._arun(calls.backfill_schedule(name, some, dry_run, priority)) for some in in_chunks(ticks)])

    def _run(self, call: Call[T]) -> T:
        with _not_found():
            return self._client.database.run(call)

    async def _arun(self, call: Call[T]) -> T:
        with _not_found():
            return await self._client.async_database.run(call)

    def __repr__(self) -> str:
        return f"Schedules(declared={sorted(self.declared)})"


def ticks_of(what: Any, timezone: str | None) -> Ticks:
    """The ticks of a Schedule, of a schedule in the database, or of an expression.

    Raises:
        InvalidArgument: it is none of these, or the zone is invalid.
    """
    if isinstance(what, str):
        return Ticks.from_definition(read_fields("", {"cron": what, "timezone": timezone}), "")
    if not isinstance(what, Schedule | ScheduleStatus):
        raise invalid("what", what, "use the name of a schedule, a Schedule, or an expression such as '0 2 * * *'")
    if timezone is not None:
        raise invalid("timezone", timezone, f"schedule {what.name!r} has a time zone; leave it out")
    return Ticks.from_definition(loads(what.definition()) if isinstance(what, Schedule) else what.definition, what.name)


def unknown(name: str, there: Statuses) -> ScheduleNotFound:
    """The error about an unknown schedule, which names the existing ones."""
    names = [one.name for one in there]
    if len(names) > MOST_NAMES:
        names[MOST_NAMES:] = [f"and {len(names) - MOST_NAMES} more"]
    return ScheduleNotFound(f"name: there is no schedule {name!r}; there are: {', '.join(names) or 'none'}")


@contextmanager
def _not_found() -> Iterator[None]:
    """Name what is not there: SQL has one code for jobs, workflows and schedules."""
    try:
        yield
    except JobNotFound as error:
        raise ScheduleNotFound(str(error)) from None
