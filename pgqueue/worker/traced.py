"""Runs, claims and finishes as parts of traces: nothing is done here without OpenTelemetry, or a trace that a job brings."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

from .._json import loads_own
from .._text import LINE
from .._trace import message_of
from ..context import JobContext
from ..registry import Registered
from ..retry import qualified_name
from ..tracing.carried import carry
from ..tracing.provider import active
from .execute import Surrounded, execute
from .outcome import Outcome

if TYPE_CHECKING:
    from ..tracing.otel import Headers, Name, Operation, Telemetry, Value

MOST_LINKS = 32  # of a span for many jobs: each costs as much as an attribute
TIMED_OUT = "pgqueue.errors.Timeout"
BATCH = "messaging.batch.message_count"
_NOTHING = nullcontext()


def is_traced(job: JobContext, telemetry: "Telemetry | None") -> bool:
    """Whether a run needs `execute_traced`."""
    return telemetry is not None or (job.terms is not None and job.terms.trace is not None)


async def execute_traced(
    job: JobContext,
    task: Registered[Any],
    threads: ThreadPoolExecutor,
    surrounded: Surrounded | None,
    telemetry: "Telemetry | None",
) -> Outcome:
    """`execute` in the trace of the job. It runs in a context of its own, which ends with it."""
    carry(_trace_of(job))
    if telemetry is None:
        return await execute(job, task, threads, surrounded)
    operation = _processing(job, telemetry)
    operation.enter()
    state = "dropped"
    try:
        outcome = await execute(job, task, threads, surrounded)
        state = "succeeded" if outcome.state == "committed" else outcome.state
        if state == "failed":
            _fail(operation, outcome)
        return outcome
    except BaseException:
        if job.timed_out:  # the run was ended without its handler
            state = "failed"
            operation.fail(TIMED_OUT)
        elif job.cancelled and not job.fenced:
            state = "cancelled"
        raise
    finally:
        operation.set("pgqueue.outcome", state)
        telemetry.instruments.processed(operation.end(), {**operation.kinds, "pgqueue.task": job.task})


def _processing(job: JobContext, telemetry: "Telemetry") -> "Operation":
    attributes: dict[str, Value] = {
        "messaging.message.id": str(job.id),
        "pgqueue.task": job.task,
        "pgqueue.attempt": job.attempt,
    }
    trace = _trace_of(job)
    if trace is not None and (request := trace.get("request_id")) is not None:
        attributes["messaging.message.conversation_id"] = request
    if job.node is not None:
        attributes["pgqueue.workflow_id"] = job.node.workflow
    return telemetry.start("process", job.queue, attributes, parent=trace)


def _fail(operation: "Operation", outcome: Outcome) -> None:
    error = loads_own(outcome.json).get("error") or {}
    operation.fail(error.get("type") or "_OTHER", (error.get("message") or "")[:LINE], error.get("traceback"))


def note_claim(jobs: Sequence[JobContext], took: float, worker: str) -> None:
    """Note a claim that took so many seconds and has got jobs."""
    if (telemetry := active()) is None or not jobs:
        return
    operation = _call(telemetry, "receive", jobs, took)
    operation.set("messaging.client.id", worker)
    telemetry.instruments.called(operation.end(), operation.kinds)
    for queue, count in Counter(job.queue for job in jobs).items():
        kinds = {**operation.kinds, "messaging.destination.name": queue}
        telemetry.instruments.consumed(count, kinds)


def finishing(outcomes: Sequence[Outcome]) -> AbstractContextManager[None]:
    """Around a call that reports outcomes."""
    telemetry = active()
    return _NOTHING if telemetry is None else _finishing(telemetry, [outcome.job for outcome in outcomes])


@contextmanager
def _finishing(telemetry: "Telemetry", jobs: Sequence[JobContext]) -> Iterator[None]:
    operation = _call(telemetry, "settle", jobs)
    try:
        yield
    except BaseException as error:
        operation.fail(qualified_name(type(error)), message_of(error)[:LINE])
        raise
    finally:
        telemetry.instruments.called(operation.end(), operation.kinds)


def _call(telemetry: "Telemetry", name: "Name", jobs: Sequence[JobContext], took: float = 0.0) -> "Operation":
    """A call about jobs: of one job in its trace, of several with links to theirs."""
    queues = {job.queue for job in jobs}
    queue = queues.pop() if len(queues) == 1 else None
    if len(jobs) == 1:
        attributes: dict[str, Value] = {"messaging.message.id": str(jobs[0].id)}
        return telemetry.start(name, queue, attributes, parent=_trace_of(jobs[0]), took=took)
    links = islice(filter(None, map(_trace_of, jobs)), MOST_LINKS)
    return telemetry.start(name, queue, {BATCH: len(jobs)}, links=links, took=took)


def _trace_of(job: JobContext) -> "Headers | None":
    return None if job.terms is None else job.terms.trace
