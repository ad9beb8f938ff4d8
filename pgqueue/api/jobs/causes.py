"""Why a job has not ended, as it is answered."""

import asyncio
from dataclasses import replace

import psycopg

from ...database.calls import explain as calls
from ...database.calls.explain import Cause
from ...errors import PgQueueError
from ..here import Here

LOOK_WITHIN = 0.5  # seconds for the look at the end of a wait


async def causes_of(here: Here, job_id: int) -> list[Cause]:
    """The causes of a job, the decisive one first, as the key of the request may read them.

    Raises:
        JobNotFound: there is no such job.
    """
    causes = await here.run(calls.explain(job_id))
    if here.caller.queues is not None:
        causes = [_without_queues(cause, here.caller.queues) for cause in causes]
    return causes if here.caller.may_read_arguments else [_without_message(cause) for cause in causes]


async def why_late(here: Here, job_id: int) -> Cause | None:
    """The decisive cause at the end of a wait; None if it is not known in time."""
    try:
        async with asyncio.timeout(LOOK_WITHIN):
            return (await causes_of(here, job_id))[0]
    except (TimeoutError, PgQueueError, psycopg.Error, IndexError):  # the answer matters more
        return None


def _without_queues(cause: Cause, visible: frozenset[str]) -> Cause:
    """A cause that names no queues but those of the key: which other ones workers serve, and what is most like its own."""
    served = cause.details.get("queues")
    if cause.cause != "no_worker" or not isinstance(served, list) or visible.issuperset(served):
        return cause
    own = {"queues": [queue for queue in served if queue in visible], "did_you_mean": None}
    return replace(cause, says=cause.says.partition(";")[0], details=cause.details | own)  # no name of a queue has a ;


def _without_message(cause: Cause) -> Cause:
    """A cause that tells of an error its type only, for keys that may not read errors."""
    error = cause.details.get("error")
    if not isinstance(error, str):
        return cause
    type = error.partition(":")[0]
    return replace(cause, says=cause.says.replace(error, type), details=cause.details | {"error": type})
