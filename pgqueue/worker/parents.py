"""Before a node of a workflow starts: load the outcomes of its parents, in one call for all nodes of a claim.

This runs beside the claims and on its own connection, so that nothing else waits for it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import psycopg

from ..context import JobContext
from ..database import Link
from ..database.calls import workflows as workflow_calls
from ..database.calls.workflows import ParentRow
from ..errors import Disconnected, PgQueueError, ResultExpired, ResultWithheld
from ..registry import Registered
from ..workflow.node import Node, Parents
from .outcome import Outcome, failure
from .slots import Slots


class ParentLoader:
    """Loads the parents of claimed nodes whose handlers use them, then lets these nodes start.

    Args:
        link: its own connection; opened for the first such node.
        tasks: the registered tasks by name.
        slots: where jobs go. It holds the jobs that wait here as `preparing`, so it can also end or drop them.
        hand_in: takes the outcome of a job whose parents cannot be loaded.
        always: load parents for every handler, because middleware takes a JobContext.
    """

    def __init__(
        self,
        link: Link,
        tasks: Mapping[str, Registered[object]],
        slots: Slots,
        hand_in: Callable[[Outcome], None],
        always: bool = False,
    ) -> None:
        self._link, self._tasks, self._slots, self._hand_in, self._always = link, tasks, slots, hand_in, always
        self._waiting: list[JobContext] = []
        self._loading: list[JobContext] = []
        self._some = asyncio.Event()

    def add(self, jobs: list[JobContext]) -> None:
        """Take claimed jobs. Jobs that need no parents start at once."""
        held = [job for job in jobs if job.node is not None and job.node.has_parents and self._wants(job, job.node)]
        if held:
            ids = {job.id for job in held}
            jobs = [job for job in jobs if job.id not in ids]
            if self._slots.prepare(held):
                self._waiting += held
                self._some.set()
        self._slots.add(jobs)

    def _wants(self, job: JobContext, node: Node) -> bool:
        task = self._tasks.get(job.task)
        if task is None:
            return False
        return node.takes is not None or self._always or task.parameters.context_name is not None

    async def run(self) -> None:
        """Load until cancelled. After a cancelled call it loads again for the jobs that have not started."""
        while True:
            if not self._loading:
                await self._some.wait()
                self._some.clear()
                self._loading, self._waiting = self._waiting, []
            await self._load(self._loading)
            self._loading = []

    async def _load(self, jobs: list[JobContext]) -> None:
        too_slow = False
        while jobs := [job for job in jobs if self._slots.is_preparing(job)]:
            try:
                rows = await self._link.run(workflow_calls.parents([job.id for job in jobs]))
            except Disconnected as error:
                if error.too_slow and too_slow:  # all other jobs wait for these
                    await self._refused(jobs, error)
                    return
                too_slow = error.too_slow
            except (PgQueueError, psycopg.Error) as error:
                await self._refused(jobs, error)
                return
            else:
                self._start(jobs, rows)
                return

    async def _halves(self, jobs: list[JobContext]) -> None:
        middle = len(jobs) // 2
        await self._load(jobs[:middle])
        await self._load(jobs[middle:])

    async def _refused(self, jobs: list[JobContext], error: Exception) -> None:
        """Load in smaller parts if the results are too large or too many for one call; fail jobs whose own cannot be loaded."""
        if len(jobs) > 1:
            await self._halves(jobs)
            return
        for job in self._slots.prepared(jobs):
            self._hand_in(failure(job, error, 0.0))

    def _start(self, jobs: list[JobContext], rows: Iterable[tuple[object, ...]]) -> None:
        by_job: dict[object, list[ParentRow]] = {job.id: [] for job in jobs}
        for child, *row in rows:
            by_job[child].append(ParentRow(*row))  # type: ignore[arg-type]
        ready = []
        for job in self._slots.prepared(jobs):
            try:
                give_parents(job, by_job[job.id], self._tasks)
            except (ResultExpired, ResultWithheld) as error:  # a retry would not find the result either
                self._hand_in(failure(job, error, 0.0, reason="system_error", final=True))
            except Exception as error:  # an outcome of a parent may end this job, but not the worker
                self._hand_in(failure(job, error, 0.0))
            else:
                ready.append(job)
        ready.sort(key=lambda job: job.limits is None)  # the jobs may come from several claims; the slots need limits first
        self._slots.add(ready)


def give_parents(job: JobContext, rows: list[ParentRow], tasks: Mapping[str, Registered[object]]) -> None:
    """Give a job its parents; an argument that takes results gets them.

    Raises:
        ResultExpired: a result that an argument takes is not kept any more.
        ResultWithheld: a result that an argument takes is not for this job.
    """
    assert job.node is not None
    job.args_json = job.node.with_taken(job.args_json, rows)
    job.node.parents = Parents.read(rows, tasks)
