"""Ending jobs by hand, whether they run or not."""

from typing import Literal

from .._checks import Duration, interval, invalid, read_duration, read_id, read_text
from .._text import noted
from ..client import Client
from ..database import Call
from ..database.calls import manage as manage_calls

Said = Literal["cancelled", "asked", "fenced"]


class CancelControl(Client):
    """The part of an app that cancels jobs."""

    def cancel(
        self,
        job_id: int,
        *,
        by: str | None = None,
        note: str | None = None,
        force: bool = False,
        force_after: Duration | None = None,
    ) -> Said:
        """End a job, or ask its worker to end it. Who asked, when and why is kept with the job.

        A running job that is asked to stop and succeeds has succeeded. It does not run again: where it would, it is cancelled.

        Args:
            job_id: the job.
            by: who asks, 1 to 200 characters; the user of the database by default.
            note: why, up to 1,000 characters; None by default. Characters that PostgreSQL cannot store are replaced.
            force: end it at once although it runs: its worker drops the run, and nothing that this still hands in counts. The
                handler may be at work for a moment more, a handler in a thread until it ends.
            force_after: ask first, and end it by force if it still runs after this time (timedelta or seconds, up to 365 days).
                It needs no worker of this job, only some worker of the install.

        Returns:
            "cancelled": it had not started, and is over. "asked": it runs, and is asked to stop. "fenced": it ran, and is over.

        Raises:
            InvalidArgument: an argument is invalid.
            JobNotFound: there is no such job (any more).
            WrongState: it is over; nothing is changed.
        """
        return self.database.run(cancelling(job_id, by, note, force, force_after))

    async def acancel(
        self,
        job_id: int,
        *,
        by: str | None = None,
        note: str | None = None,
        force: bool = False,
        force_after: Duration | None = None,
    ) -> Said:
        """`cancel` for async code."""
        return await self.async_database.run(cancelling(job_id, by, note, force, force_after))


def cancelling(job_id: int, by: str | None, note: str | None, force: bool, force_after: Duration | None) -> Call[Said]:
    """The call that cancels a job. Raises InvalidArgument."""
    if not isinstance(force, bool):
        raise invalid("force", force, "use True or False")
    return manage_calls.cancel(
        read_id("job_id", job_id),
        read_text("by", by),
        noted(note),
        force,
        None if force_after is None else interval(read_duration("force_after", force_after)),
    )
