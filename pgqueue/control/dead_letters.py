"""What an app can do with jobs that failed for good: run them again, remove them, see what they have in common."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Unpack, get_args

from .._checks import Duration, interval, invalid, is_whole, read_duration, read_id, read_text
from ..config import Settings
from ..database import Call
from ..database.calls import dead as dead_calls
from ..database.calls import manage as manage_calls
from ..database.calls.dead import DeadCount, DeadGroup, DeadProperty
from ..database.calls.enqueue import Added
from ..job import Job
from ..registry import Registry
from .alerts import MOST, Alert, AlertCallback, new_alert
from .filters import FilterFields, filter_json
from .rules import Rules, rules_json

C = TypeVar("C", bound=AlertCallback)


class DeadLetterControl(Registry):
    """The part of an app for dead letters.

    Attributes:
        alerts: the callbacks of `on_dead_letters`.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.alerts: list[Alert] = []

    def on_dead_letters(
        self, threshold: int, *, low: int | None = None, name: str | None = None, **filter: Unpack[FilterFields]
    ) -> Callable[[C], C]:
        """Register a callback for when there are too many dead letters: `@app.on_dead_letters(threshold=100)`.

        It takes one `DeadLetterAlert`; `async def` runs on the worker's event loop, `def` in a thread. Each time that the number
        reaches the threshold it is called once, by one of all workers, within some seconds. It is lost if that one crashes then.

        Args:
            threshold: this many dead letters, 1 to 100,000.
            low: it is armed again when their number has fallen to this; 80% of the threshold by default.
            name: what tells it apart from other callbacks; by default its function, threshold and filter.
            filter: which dead letters count, as for `jobs`; `finished_after=timedelta(hours=-1)`: those of the last hour.

        Raises:
            ConfigurationError: it is not a function, or a worker of this app has started.
            InvalidArgument: a value is out of range.
        """
        for field in filter.keys() - FilterFields.__annotations__.keys():  # SQL would say so only in a worker, again and again
            raise invalid("filter", field, f"use {', '.join(FilterFields.__annotations__)}")
        fields = filter_json(filter)

        def register(callback: C) -> C:
            self.assert_open("on_dead_letters")
            self.alerts.append(new_alert(callback, threshold, low, name, fields))
            return callback

        return register

    def retry(
        self,
        job_id: int,
        *,
        by: str | None = None,
        args: Mapping[str, Any] | None = None,
        rules: Rules = "job",
        keep_attempts: bool = False,
        run_after: Duration | None = None,
        force: bool = False,
    ) -> Job[Any]:
        """Run a job again: one that waits for its time, a dead letter (same id), or a finished one (a new job).

        Args:
            job_id: the job.
            by: who does it, kept with a dead letter; the user of the database by default. Up to 200 characters.
            args: other arguments, all of them by name; they need only be JSON. Not for a job that waits: `Job.update`.
            rules: "job" (default): it keeps the retry policy that it was enqueued with; "task": it takes the one that its task
                has now in this app, if the app has the task.
            keep_attempts: a dead letter keeps the number of its attempts, so a failure after the last one is final again at once;
                by default it has all its attempts again.
            run_after: seconds (or timedelta) until it runs; now by default.
            force: also a dead letter that has come back three times and failed each time.

        Returns:
            The job that will run. If another live job holds the unique key, the handle of that job, with `duplicate`
            set; the job itself stays where it is.

        Raises:
            InvalidArgument: a value is invalid.
            JobNotFound: there is no such job.
            WrongState: it is ready or running; or it has come back three times, and `force` is not given.
        """
        return self._retried(self.database.run(self._retrying(job_id, by, args, rules, keep_attempts, run_after, force)))

    async def aretry(
        self,
        job_id: int,
        *,
        by: str | None = None,
        args: Mapping[str, Any] | None = None,
        rules: Rules = "job",
        keep_attempts: bool = False,
        run_after: Duration | None = None,
        force: bool = False,
    ) -> Job[Any]:
        """`retry` for async code."""
        call = self._retrying(job_id, by, args, rules, keep_attempts, run_after, force)
        return self._retried(await self.async_database.run(call))

    def discard(self, job_id: int, *, by: str | None = None, reason: str | None = None) -> None:
        """Remove a dead letter for good; `discard_log` keeps who did it as long as the history.

        Args:
            job_id: the dead letter.
            by: who does it; the user of the database by default. Up to 200 characters.
            reason: why; up to 1,000 characters.

        Raises:
            InvalidArgument: a text is too long.
            JobNotFound: there is no such job.
            WrongState: it is no dead letter.
        """
        self.database.run(_discarding(job_id, by, reason))

    async def adiscard(self, job_id: int, *, by: str | None = None, reason: str | None = None) -> None:
        """`discard` for async code."""
        await self.async_database.run(_discarding(job_id, by, reason))

    def dead_groups(self, most: int = 20, **filter: Unpack[FilterFields]) -> list[DeadGroup]:
        """The dead letters of a filter by fingerprint: each kind of failure is one group, the largest first.

        Args:
            most: the largest number of groups, 1 to 100,000.
            filter: as for `jobs`.

        Raises:
            InvalidArgument: the filter or the number is invalid.
        """
        return self.database.run(_grouping(filter, most))

    async def adead_groups(self, most: int = 20, **filter: Unpack[FilterFields]) -> list[DeadGroup]:
        """`dead_groups` for async code."""
        return await self.async_database.run(_grouping(filter, most))

    def dead_stats(self, by: DeadProperty, most: int = 100, **filter: Unpack[FilterFields]) -> list[DeadCount]:
        """The dead letters of a filter, counted by a property, the largest number first; hours the latest first.

        Args:
            by: "task", "queue", "reason", "error_type", "fingerprint"; "hour": of their end, in UTC; "worker", "host" or
                "version": of the last run.
            most: the largest number of values, 1 to 100,000.
            filter: as for `jobs`.

        Raises:
            InvalidArgument: the property, the filter or the number is invalid.
        """
        return self.database.run(_counting(by, filter, most))

    async def adead_stats(self, by: DeadProperty, most: int = 100, **filter: Unpack[FilterFields]) -> list[DeadCount]:
        """`dead_stats` for async code."""
        return await self.async_database.run(_counting(by, filter, most))

    def _retrying(
        self,
        job_id: int,
        by: str | None,
        args: Mapping[str, Any] | None,
        rules: Rules,
        keep_attempts: bool,
        run_after: Duration | None,
        force: bool,
    ) -> Call[Added]:
        return manage_calls.retry(
            read_id("job_id", job_id),
            by=read_text("by", by),
            args=None if args is None else Job(self, job_id)._dumped(args),
            rules=rules_json(self.tasks, rules),
            keep_attempts=keep_attempts,
            run_after=None if run_after is None else interval(read_duration("run_after", run_after)),
            force=force,
        )

    def _retried(self, added: Added) -> Job[Any]:
        return Job(self, added.id, duplicate=added.duplicate)


def _grouping(filter: FilterFields, most: int) -> Call[list[DeadGroup]]:
    return dead_calls.dead_groups(filter_json(filter), _read_most(most))


def _counting(by: str, filter: FilterFields, most: int) -> Call[list[DeadCount]]:
    if by not in get_args(DeadProperty):
        raise invalid("by", by, f"use {', '.join(get_args(DeadProperty))}")
    return dead_calls.dead_stats(by, filter_json(filter), _read_most(most))


def _read_most(most: int) -> int:
    if not is_whole(most) or not 1 <= most <= MOST:
        raise invalid("most", most, f"use 1 to {MOST:,}")
    return most


def _discarding(job_id: int, by: str | None, reason: str | None) -> Call[None]:
    return manage_calls.discard(read_id("job_id", job_id), read_text("by", by), read_text("reason", reason))
