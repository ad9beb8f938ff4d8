"""A handle on a workflow: read it, wait for it, cancel it, run failed jobs again."""

from collections.abc import AsyncIterator, Callable, Container, Iterator, Mapping
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

from .._steps import Steps, adrive, drive
from ..client import Client
from ..database.calls import workflows as calls
from ..errors import JobCancelled, JobFailed, ResultTimeout, UnknownNode
from ..job import Job
from ..waiting.patience import Patience
from .graph import Graph
from .progress import WorkflowProgress, no_workflow

R = TypeVar("R", covariant=True)
LONGEST_NAME = 200  # characters of the name of a node, as in SQL
MOST_NAMED = 20


class NamedJobs(dict[str, Job[Any]]):
    """A dict whose KeyError lists the existing names."""

    __slots__ = ()

    def __missing__(self, name: object) -> NoReturn:
        known = ", ".join(repr(one) for one in list(self)[:MOST_NAMED]) or "none"
        more = f" and {len(self) - MOST_NAMED} more" if len(self) > MOST_NAMED else ""
        raise UnknownNode(f"jobs: there is no node {name!r}; there are: {known}{more}")


class Workflow(Generic[R]):
    """Jobs that wait for each other.

    Attributes:
        id: the workflow's id.
    """

    __slots__ = ("_client", "_is_list", "_jobs", "_last", "_progress", "id")

    def __init__(
        self,
        client: Client,
        id: int,
        jobs: dict[str, Job[Any]] | None = None,
        last: list[int] | None = None,
        is_list: bool = False,
    ) -> None:
        self._client = client
        self._jobs = None if jobs is None else NamedJobs(jobs)
        self._last, self._is_list = last, is_list
        self._progress: WorkflowProgress | None = None
        self.id = id

    @property
    def jobs(self) -> Mapping[str, Job[Any]]:
        """Handles on its jobs by the names of their nodes, as submitted; after `app.get_workflow` as of the first query.

        A node without a name is listed under the name of its task, with -2, -3, … if it is taken.
        """
        if self._jobs is None:
            self._jobs = self._named(self._client.database.run(calls.nodes(self.id)))
        return self._jobs

    async def ajobs(self) -> Mapping[str, Job[Any]]:
        """`jobs` for async code."""
        if self._jobs is None:
            self._jobs = self._named(await self._client.async_database.run(calls.nodes(self.id)))
        return self._jobs

    @property
    def progress(self) -> WorkflowProgress:
        """Its progress, as of the last `refresh`; read at first use."""
        if self._progress is None:
            self.refresh()
        assert self._progress is not None
        return self._progress

    @property
    def status(self) -> str:
        """running, succeeded, failed, cancelled or skipped, as of the last `refresh`."""
        return self.progress.status

    @property
    def counts(self) -> dict[str, int]:
        """How many nodes are in each state, as of the last `refresh`."""
        return self.progress.counts

    def refresh(self) -> "Workflow[R]":
        """Read it again.

        Raises:
            JobNotFound: there is no such workflow (any more).
        """
        return self._found(self._client.database.run(calls.progress(self.id)))

    async def arefresh(self) -> "Workflow[R]":
        """`refresh` for async code."""
        return self._found(await self._client.async_database.run(calls.progress(self.id)))

    def result(self, timeout: float | None = None) -> R:
        """Wait until the last node is over and return its result; a list, in order, if the workflow has several last nodes.

        The last nodes are the nodes without children, except nodes that run only after a failure, and the nodes below these.
        The wait includes nodes that handlers have added after the last node. With a handle from `app.get_workflow`, the result of
        a group of one call is the result of this call.

        Args:
            timeout: seconds to wait; None (default) waits without limit, 0 polls once.

        Raises:
            ResultTimeout: it was not over in time, and continues; or the database did not answer in time, which is the cause.
            JobFailed: the last node, or a node that it depends on, failed for good; carries the remote traceback.
            JobCancelled: the last node was cancelled, or skipped because of a parent that the message names.
            ResultExpired: a result is not kept any more.
            JobNotFound: there is no such workflow (any more).
        """
        patience = Patience(timeout)
        insist = partial(patience.insist, self._client.database.run)
        value: R = drive(self._result(patience, insist, Job.result, timeout))
        return value

    async def aresult(self, timeout: float | None = None) -> R:
        """`result` for async code."""
        patience = Patience(timeout)
        insist = partial(patience.ainsist, self._client.async_database.run)
        value: R = await adrive(self._result(patience, insist, Job.aresult, timeout))
        return value

    def watch(self, timeout: float | None = None) -> Iterator[WorkflowProgress]:
        """Yield its progress now, and again after each change, until it is over.

        Args:
            timeout: seconds from the first look; None (default) waits without limit, 0 polls once.

        Raises:
            ResultTimeout: it was not over in time, and continues; or the database did not answer in time, which is the cause.
            JobNotFound: there is no such workflow (any more).
        """
        seen, patience = None, Patience(timeout)
        with self._client.waiting.waiter(self._heard_of()) as waiter:
            for pause in patience.pauses():
                rows = patience.ask(self._client.database.run, calls.progress(self.id))
                if rows is not None and self._found(rows).progress != seen:
                    yield (seen := self.progress)
                if seen is not None and seen.is_over:
                    return
                waiter.pause(pause)
        raise self._too_late(timeout) from patience.error

    async def awatch(self, timeout: float | None = None) -> AsyncIterator[WorkflowProgress]:
        """`watch` for async code."""
        seen, patience = None, Patience(timeout)
        with self._client.waiting.async_waiter(self._heard_of()) as waiter:
            for pause in patience.pauses():
                rows = await patience.aask(self._client.async_database.run, calls.progress(self.id))
                if rows is not None and self._found(rows).progress != seen:
                    yield (seen := self.progress)
                if seen is not None and seen.is_over:
                    return
                await waiter.pause(pause)
        raise self._too_late(timeout) from patience.error

    def cancel(self) -> int:
        """Cancel all jobs that have not started, and ask running handlers to stop.

        Returns:
            The number of cancelled nodes.

        Raises:
            JobNotFound: there is no such workflow.
        """
        return self._client.database.run(calls.cancel_workflow(self.id))

    async def acancel(self) -> int:
        """`cancel` for async code."""
        return await self._client.async_database.run(calls.cancel_workflow(self.id))

    def retry(self) -> int:
        """Run its dead letters again; jobs that were skipped because of them wait for them again.

        Returns:
            The number of dead letters.

        Raises:
            JobNotFound: there is no such workflow.
        """
        return self._client.database.run(calls.retry_workflow(self.id))

    async def aretry(self) -> int:
        """`retry` for async code."""
        return await self._client.async_database.run(calls.retry_workflow(self.id))

    def graph(self) -> Graph:
        """Its current nodes and edges.

        Raises:
            JobNotFound: there is no such workflow (any more).
        """
        graph: Graph = drive(Graph.of(self.id, self._client.database.run))
        return graph

    async def agraph(self) -> Graph:
        """`graph` for async code."""
        graph: Graph = await adrive(Graph.of(self.id, self._client.async_database.run))
        return graph

    def _result(self, patience: Patience, insist: Callable[..., Any], result: Callable[..., Any], timeout: float | None) -> Steps:
        values: dict[int, Any] = {}
        last = self._last or (yield from self._last_nodes(patience, insist, timeout))
        while not all(id in values for id in last):
            for id in last:
                if id not in values:
                    values[id] = yield from self._value(id, result, patience.left(), timeout)
            last = self._in_order((yield from self._last_nodes(patience, insist, timeout)))
        if not last:
            raise no_workflow(self.id)
        return [values[id] for id in last] if len(last) > 1 or self._is_list else values[last[0]]

    def _last_nodes(self, patience: Patience, insist: Callable[..., Any], timeout: float | None) -> Steps:
        last = yield insist(calls.last_nodes(self.id))
        if last is None:
            raise self._too_late(timeout) from patience.error
        return last

    def _value(self, id: int, result: Callable[..., Any], left: float | None, timeout: float | None) -> Steps:
        try:
            return (yield result(Job(self._client, id), left))
        except ResultTimeout as late:
            raise self._too_late(timeout, id, late) from late.__cause__
        except JobCancelled as cancelled:
            if isinstance(cancelled.__cause__, JobFailed):  # skipped because of this failure
                raise cancelled.__cause__ from None
            raise

    def _in_order(self, last: list[int]) -> list[int]:
        """The last nodes in the order of writing, if they are the submitted nodes."""
        return self._last if self._last and set(self._last) == set(last) else last

    def _found(self, rows: list[dict[str, Any]]) -> "Workflow[R]":
        self._progress = WorkflowProgress.of(self.id, rows)
        return self

    def _named(self, rows: list[dict[str, Any]]) -> NamedJobs:
        if not rows:
            raise no_workflow(self.id)
        jobs = NamedJobs({row["name"]: Job(self._client, row["job_id"]) for row in rows if row["name"] is not None})
        counts: dict[str, int] = {}
        for row in rows:
            if row["name"] is None:
                jobs[free_name(row["task"], jobs, counts)] = Job(self._client, row["job_id"])
        return jobs

    def _heard_of(self) -> tuple[int, ...]:
        """The jobs for which a notification ends a pause early; polling finds the end of other jobs."""
        return tuple(job.id for job in (self._jobs or {}).values())

    def _too_late(self, timeout: float | None, job_id: int = 0, late: ResultTimeout | None = None) -> ResultTimeout:
        """The error of a wait; late: that of the wait for one of its jobs, which says why."""
        said = f"workflow {self.id} was not over within {timeout} s; it was not cancelled"
        if late is None:
            return ResultTimeout(said)
        return ResultTimeout(said, late.why and late.why.replace("it ", f"job {job_id} ", 1), late.state, late.cause)

    def __repr__(self) -> str:
        return f"Workflow({self.id})"


def free_name(task: str, taken: Container[str], counts: dict[str, int] | None = None) -> str:
    """The name of a node from the name of its task, with -2, -3, … if it is taken.

    Args:
        task: the name of the task.
        taken: the names of other nodes.
        counts: the last number for each task; a caller with many nodes keeps this dict.
    """
    name, count = task, 1 if counts is None else counts.get(task, 1)
    while name in taken:
        count += 1
        suffix = f"-{count}"
        name = task[: LONGEST_NAME - len(suffix)] + suffix
    if counts is not None:
        counts[task] = count
    return name
