"""Tasks that a worker does not have: it gives their jobs back at once, and from then on leaves them out of its claims."""

import logging
from collections.abc import Collection, Iterable

from ..context import JobContext
from ..database.call import Rows
from .meant import meant_task

log = logging.getLogger("pgqueue.worker")
MOST = 1000  # names; producers may invent any number of them. Jobs of more tasks are put off, see execute.
_TASK = 2  # its position in a claimed row


class Foreign:
    """The tasks that one worker has met and does not have.

    Args:
        tasks: the names of those that it has; None = all.

    Attributes:
        names: what its claims leave out; None = nothing, as for nearly all workers.
    """

    def __init__(self, tasks: Collection[str] | None = None) -> None:
        self._tasks = tasks
        self.names: list[str] | None = None

    def add(self, names: Iterable[str]) -> None:
        """Leave these tasks out from now on, up to MOST."""
        for name in names:
            if name not in (self.names or ()) and len(self.names or ()) < MOST:
                self.names = [*(self.names or ()), name]
                meant = meant_task(name, self._tasks or ()) or ". Is the name correct, and is its module imported?"
                log.warning("no task %r here; its jobs wait for a worker that has it%s", name, meant)

    def has_none_of(self, rows: Rows) -> bool:
        """Whether the worker has the tasks of all these rows of a claim."""
        tasks = self._tasks
        return tasks is None or not [row for row in rows if row[_TASK] not in tasks]

    def parted(self, jobs: list[JobContext]) -> tuple[list[JobContext], list[int]]:
        """The jobs whose tasks the worker has, and the ids of those to give back."""
        tasks = self._tasks
        if tasks is None or all(job.task in tasks for job in jobs):
            return jobs, []
        self.add(dict.fromkeys(job.task for job in jobs if job.task not in tasks))
        foreign = {job.id for job in jobs if job.task not in tasks and job.task in (self.names or ())}
        return [job for job in jobs if job.id not in foreign], list(foreign)
