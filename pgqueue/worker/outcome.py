"""The outcomes of runs: what is reported of a job that has ended."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from .._json import dumps, loads_own
from .._text import LINE, shortened
from .._trace import loggable, message_of
from ..context import JobContext
from ..errors import InvalidArgument, SignalTimeout, SoftTimeout, StepNotStored, Timeout
from ..logs.current import of_job
from ..outcomes import Cancel, RateLimited, RetryIn, Snooze, seconds
from ..steps.waits import waits_of
from .describe import Error, asked, describe

log = logging.getLogger("pgqueue.worker")
_results_ignored: set[str] = set()  # tasks whose ignored results were logged


class Outcome(NamedTuple):
    """The end of one run, ready to be reported.

    Attributes:
        job: the job that ran.
        state: succeeded, failed, cancelled, snoozed, waiting, rate_limited or unknown_task; committed when
            `ctx.transaction()` has finished the job.
        text: the outcome as finish.sql takes it; None: it has succeeded without a result, as most jobs do.
        elapsed: seconds in the handler.
        nodes: the nodes that it adds to its workflow, as JSON text; None for none.
    """

    job: JobContext
    state: str
    text: str | None
    elapsed: float
    nodes: str | None = None

    @property
    def json(self) -> str:
        """The outcome as finish.sql takes it."""
        return _success(self.job, None, self.elapsed) if self.text is None else self.text

    @property
    def is_plain(self) -> bool:
        """Whether the job has succeeded, and there is nothing else to store."""
        return self.text is None and self.nodes is None

    @property
    def size(self) -> int:
        """Characters of what is to be stored."""
        return len(self.text or "") + len(self.nodes or "")


def outcome(job: JobContext, state: str, elapsed: float, **fields: Any) -> Outcome:
    """An outcome of a job. Raises TypeError or ValueError when a field is not JSON."""
    text = dumps({"id": job.id, "token": job.token, "state": state, "elapsed": elapsed, **fields})
    return Outcome(job, state, text, elapsed)


def cancelled(job: JobContext, elapsed: float) -> Outcome:
    """The outcome of a job that was cancelled, or whose workflow was."""
    return outcome(job, "cancelled", elapsed, reason="user_requested")


def timed_out(job: JobContext, elapsed: float, cause: BaseException | None = None, not_before: float | None = None) -> Outcome:
    """The outcome of a run that has passed its timeout, or the deadline of its job; SQL decides whether it runs again.

    Args:
        job: the job that ran.
        elapsed: seconds in the handler.
        cause: what the handler raised then; its traceback shows where the handler was.
        not_before: seconds that a retry must wait at least, because the handler still runs; None = as the policy says.
    """
    terms = job.terms
    assert terms is not None
    fields: dict[str, Any] = {} if not_before is None else {"not_before": not_before}
    if job.timeout_at == job.deadline:
        total = loads_own(terms.json).get("total_timeout")
        error = Timeout(f"the handler ran for {spent(elapsed)}; the total_timeout of the job, {total} s, is over")
    else:
        error = Timeout(f"the handler ran for {spent(elapsed)}; its timeout is {spent(terms.timeout)}")
    error.__cause__ = cause
    return failure(job, error, elapsed, reason="timeout", **fields)


def spent(seconds: float | None) -> str:
    """A number of seconds for people."""
    value = seconds or 0.0
    if 0 < value < 1e-4:  # as a number of seconds it would be 4.6e-05
        return f"{value * 1e6:.2g} µs"
    return f"{value:.2g} s" if value < 0.1 else f"{round(value, 2):.12g} s"


def returned(job: JobContext, dump: Callable[[Any], str | None], result: Any, elapsed: float) -> Outcome:
    """The outcome of a run that returned; `dump` makes JSON text of a result, see Task.dump_result."""
    match result:
        case None:
            return Outcome(job, "succeeded", None, elapsed)
        case Snooze(delay):
            return outcome(job, "snoozed", elapsed, delay=seconds(delay))
        case Cancel(reason):
            return outcome(job, "cancelled", elapsed, error=asked("Cancel", reason))
        case RetryIn(delay, reason):
            return outcome(job, "failed", elapsed, error=asked("RetryIn", reason), delay=seconds(delay))
        case _:
            return _with_result(job, dump, result, elapsed)


def _with_result(job: JobContext, dump: Callable[[Any], str | None], result: Any, elapsed: float) -> Outcome:
    try:
        text = dump(result)
    except (TypeError, ValueError) as error:  # no retry: the handler has done its work, and would do it twice
        return failure(job, error, elapsed, reason="system_error", final=True)
    return Outcome(job, "succeeded", None if text is None else _success(job, text, elapsed), elapsed)


def _success(job: JobContext, result: str | None, elapsed: float) -> str:
    with_result = "" if result is None else f',"result":{result}'
    return f'{{"id":{job.id},"token":"{job.token}","state":"succeeded","elapsed":{elapsed:.6f}{with_result}}}'


def with_nodes(ended: Outcome) -> Outcome:
    """An outcome with the nodes that the job has added to its workflow; a final failure if they are invalid."""
    if ended.state != "succeeded":
        return ended
    try:
        nodes = ended.job._added_json()
    except InvalidArgument as error:
        return failure(ended.job, error, ended.elapsed, reason="system_error", final=True)
    return ended if nodes is None else ended._replace(nodes=nodes)


def committed(job: JobContext, elapsed: float, *, result: Any = None, error: BaseException | None = None) -> Outcome:
    """The outcome of a run whose `ctx.transaction()` has finished the job: what happened afterwards changes nothing."""
    facts = of_job(job)
    if error is not None and not isinstance(error, asyncio.CancelledError):
        ignored = loggable(error)
        log.warning("job %s was finished by its transaction; an error after it is ignored", job.id, exc_info=ignored, extra=facts)
    elif isinstance(result, Snooze | RetryIn | Cancel):
        text = shortened(result)
        log.warning("job %s was finished by its transaction; it returned %s, which is ignored", job.id, text, extra=facts)
    elif result is not None and job.task not in _results_ignored:
        _results_ignored.add(job.task)
        log.warning("task %s: its return value after ctx.transaction() is ignored; set tx.result", job.task, extra=facts)
    return Outcome(job, "committed", f'{{"result":{job.result_json or "null"}}}', elapsed)


def rate_limited(job: JobContext, error: RateLimited, elapsed: float) -> Outcome:
    """The outcome of a run that hit an external rate limit: not a failure."""
    facts = of_job(job)
    log.info("job %s met a rate limit: %s", job.id, message_of(error)[:LINE], extra=facts)
    return outcome(job, "rate_limited", elapsed, delay=error.delay, **({} if error.key is None else {"key": error.key}))


def raised(job: JobContext, error: BaseException, elapsed: float) -> Outcome:
    """The outcome of a run that raised: it waits for a signal, or has failed."""
    if (waits := waits_of(error)) is not None:
        return outcome(job, "waiting", elapsed, signal=waits.signal, until=waits.until)
    return failure(job, error, elapsed, **_reason_of(error))


def _reason_of(error: BaseException) -> dict[str, Any]:
    """Why a job that this error ends has failed: by a timeout, if the handler has not caught its SoftTimeout or SignalTimeout.

    For good, if a step was done and could not be stored: another run would do it again. And if a signal has not come: another run
    would be told the same.
    """
    if isinstance(error, StepNotStored):
        return {"reason": "system_error", "final": True}
    if isinstance(error, SignalTimeout):
        return {"reason": "timeout", "final": True}
    is_soft = isinstance(error, SoftTimeout) or (isinstance(error, BaseExceptionGroup) and error.subgroup(SoftTimeout))
    return {"reason": "timeout"} if is_soft else {}


def failure(job: JobContext, error: BaseException, elapsed: float, **fields: Any) -> Outcome:
    """The outcome of a run that raised; `fields` as finish.sql takes them."""
    said = describe(error)
    facts = of_job(job)
    log.warning("job %s failed: %s(%r)", job.id, said["type"], said["message"][:LINE], extra=facts)
    return outcome(job, "failed", elapsed, error=said, **fields)


def undescribed(job: JobContext) -> Outcome:
    """The outcome of a run whose exception cannot be described, because its own methods raise."""
    log.error("job %s failed, and its exception cannot be described", job.id, extra=of_job(job))
    error = Error(type="BaseException", types=[], message="the exception cannot be described", traceback=None)
    return outcome(job, "failed", 0.0, error=error)
