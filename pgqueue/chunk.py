"""Many calls of a task in one job: the task `pgqueue.chunk`, which every app has."""

import asyncio
import json
from contextlib import suppress
from typing import Any, NoReturn

from .context import JobContext
from .errors import PgQueueError
from .executor import in_thread
from .lifespan import injections
from .options import Options
from .outcomes import Cancel, RetryIn, Snooze
from .registry import CHUNK, Registry
from .steps.memory import Memory
from .task import Task
from .watching.said import Said
from .workflow.canvas import refuse_process
from .workflow.own_workflow import OwnWorkflow


def chunk_task(app: Registry) -> Task[..., list[Any]]:
    """The built-in task of an app: runs calls of one of its tasks one after the other, and returns the list of their results.

    If a call fails, the job fails with its error; the next attempt starts with the first call again.
    """

    async def chunk(ctx: JobContext, task: str, calls: list[dict[str, Any]]) -> list[Any]:
        return await _Chunk(app, ctx, task).run(len(calls))

    return Task(app, CHUNK, chunk, Options())


def is_unknown(app: Registry, args_json: str) -> bool:
    """Whether the task of a chunk is not registered here; then the chunk waits for a worker that has the task, as a plain job."""
    task = json.loads(args_json).get("task")
    return isinstance(task, str) and task != CHUNK and task not in app.tasks


class _Chunk:
    """One run of a chunk.

    Args:
        app: the app whose task it calls.
        ctx: the context of the job.
        name: the name of the task.
    """

    def __init__(self, app: Registry, ctx: JobContext, name: str) -> None:
        self._task = app.registered(name)
        refuse_process(self._task)
        self._ctx = ctx
        services = ctx._services
        self._threads = services.threads if services else None
        self._injected = injections([self._task], services.values if services else ()).get(name, {})

    async def run(self, count: int) -> list[Any]:
        results = []
        for place, call in enumerate(_texts(self._ctx.args_json, count)):
            if self._ctx.cancelled or self._ctx.timed_out:
                raise asyncio.CancelledError
            try:
                results.append(await self._result(call))
            except Exception as error:
                error.add_note(f"call {place + 1} of {count} in a chunk of {self._task.name!r}")
                raise
        return results

    async def _result(self, args_json: str) -> Any:
        """The result of one call, in the form that its task stores."""
        parameters = self._task.parameters
        arguments = parameters.load(args_json)
        if parameters.context_name is not None:
            arguments[parameters.context_name] = CallContext(self._ctx, self._task.name, args_json)
        arguments |= self._injected
        if parameters.is_async:
            result = await self._task.function(**arguments)
        else:
            result = await self._in_thread(arguments)
        if isinstance(result, Snooze | RetryIn | Cancel):
            raise PgQueueError(
                f"{result!r} was returned by a call in a chunk; the calls of a chunk end together: return a result or raise"
            )
        text = self._task.dump_result(result)
        return None if text is None else json.loads(text)

    async def _in_thread(self, arguments: dict[str, Any]) -> Any:
        """Run a call in a thread, which cannot be stopped: a job that is cancelled or timed out ends after the running call."""
        threads: Any = self._threads  # None outside of a worker: the threads of the loop
        running = asyncio.ensure_future(in_thread(self._task.function, arguments, threads))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            while not running.done() and (self._ctx.timed_out or (self._ctx.cancelled and not self._ctx.dropped)):
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({running})
            raise


class CallContext(JobContext):
    """The context of one call in a chunk: the context of the job, with the task and the arguments of the call.

    The calls share the steps of the job, which they number as a loop does: each call does its own. They share its log, too.
    """

    __slots__ = ("_job",)

    def __init__(self, job: JobContext, task: str, args_json: str) -> None:
        given = (
            job.attempt,
            job.max_attempts,
            job.priority,
            job.run_at,
            job.created_at,
            job.meta_json,
            None,
            job.limits,
            job.terms_json,
            job._services,
        )
        self._job = job
        super().__init__(job.token, job.id, job.queue, task, args_json, *given)
        self.node, self.started = job.node, job.started
        self.deadline, self.clock_at = job.deadline, job.clock_at
        self.memory = job.memory = job.memory or Memory()

    @property
    def cancelled(self) -> bool:
        """Whether the job is cancelled."""
        return self._job.cancelled

    @cancelled.setter
    def cancelled(self, value: bool) -> None:
        """Ignored: only the context of the job holds the value."""

    @property
    def dropped(self) -> bool:
        """Whether the run of the job is over."""
        return self._job.dropped

    @dropped.setter
    def dropped(self, value: bool) -> None:
        """Ignored, as above."""

    def _keep_line(self, said: Said) -> None:
        """The job counts its lines."""
        self._job._keep_line(said)

    @property
    def workflow(self) -> OwnWorkflow:
        """The workflow of the job."""
        return self._job.workflow

    def transaction(self, connection: Any = None) -> NoReturn:
        """Refuse: it would finish the job of all calls."""
        raise PgQueueError(f"ctx.transaction(): job {self.id} is a chunk with other calls to run; it cannot be finished here")


def _texts(args_json: str, count: int) -> list[str]:
    """The arguments of each call as JSON text."""
    return [json.dumps(call) for call in json.loads(args_json)["calls"][:count]]
