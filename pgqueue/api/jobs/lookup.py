"""A job with everything that is known of it: put together from what the database keeps in several places."""

from typing import Any

from ..._json import readable_exactly
from ...database.calls import dead, explain, queues, reads, results, steps
from ...errors import JobNotFound
from ..here import Here
from .owned import owned

WAITING = ("blocked", "scheduled", "ready")
LIVE = (*WAITING, "running")
OF_READERS = ("args", "meta", "errors", "result", "error_message", "sizes")  # for keys that may read arguments


async def whole_job(here: Here, job_id: int, most: int | None = None) -> dict[str, Any]:
    """All of a job, as the model JobOut says.

    Args:
        here: the request.
        job_id: of the job.
        most: bytes of JSON; what is longer is left out, and `sizes` says how long it is. None = all of it.

    Raises:
        JobNotFound: there is none that the caller may see.
    """
    row = await _row(here, job_id, most)
    sizes = {"args": row.pop("args_bytes", None), "meta": row.pop("meta_bytes", None)}
    result, sizes["result"] = await _result(here, job_id, most)
    row |= {"result": result.value, "result_expires_at": result.expires_at, **_trace_of(row)}
    row["sizes"] = None if most is None else {name: size for name, size in sizes.items() if size is not None and size > most}
    row["workflow_id"] = await here.run(reads.workflow_of(job_id))
    row |= (await here.run(reads.waited(job_id)) if row["state"] in LIVE else reads.Waited())._asdict()
    row["fingerprint"] = await _fingerprint(here, job_id) if row["state"] == "failed" else None
    row["steps"] = await steps_of(here, job_id, most)
    signals = steps.signals(job_id) if most is None else steps.signals_within(job_id, most)
    row["signals"] = [without(here, {"size": None, **one}, ("payload", "size")) for one in await here.run(signals)]
    is_held = row["state"] in WAITING
    row["pauses"] = await here.run(queues.pauses_of(row["queue"], row["task"])) if is_held else []
    return without(here, row, OF_READERS)


async def _row(here: Here, job_id: int, most: int | None) -> dict[str, Any]:
    try:
        return await owned(here, job_id, most)
    except JobNotFound:
        if here.caller.queues is not None:  # it may have been a job of another queue
            raise
    raise explain.gone(job_id, await here.run(explain.explain(job_id)))


async def steps_of(here: Here, job_id: int, most: int | None = None) -> list[dict[str, Any]]:
    """The steps of a job, in their order."""
    found = await here.run(steps.steps(job_id) if most is None else steps.steps_within(job_id, most))
    return [without(here, {"size": None, **one}, ("value", "size")) for one in found]


async def _result(here: Here, job_id: int, most: int | None) -> tuple[results.ResultRow, int | None]:
    if most is None:
        return await here.run(results.result(job_id, readable_exactly)), None
    return await here.run(results.result_within(job_id, most, readable_exactly))


def without(here: Here, row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """A row with null for what a key without the right to read arguments does not see."""
    if here.caller.may_read_arguments:
        return row
    return {**row, **{name: None for name in names if name in row}}


async def _fingerprint(here: Here, job_id: int) -> str | None:
    return await here.run(dead.fingerprint_of(job_id))


def _trace_of(row: dict[str, Any]) -> dict[str, Any]:
    """What people look for in the trace of a job, and its terms without it."""
    terms = dict(row["terms"] or {})
    trace = terms.pop("trace", {})
    terms.pop("attempts_before", None)  # the numbers of the attempts have them
    _, *id = trace.get("traceparent", "").split("-")[:2]
    return {"terms": terms or None, "request_id": trace.get("request_id"), "trace_id": id[0] if id else None}
