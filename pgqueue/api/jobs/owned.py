"""Whether a job is in a queue of the caller's key."""

from typing import Any

from ...database.calls import reads
from ...errors import JobNotFound
from ..here import Here


async def owned(here: Here, job_id: int, most: int | None = None) -> dict[str, Any]:
    """A row of a job that the caller may see; with `most` as `reads.job_within` reads it.

    Raises:
        JobNotFound: there is none; of a job of another queue the same is said.
    """
    found = await here.run(reads.job(job_id) if most is None else reads.job_within(job_id, most))
    if not found or (here.caller.queues is not None and found[0]["queue"] not in here.caller.queues):
        raise JobNotFound(f"there is no job {job_id}; it never existed, is not committed yet, or the history no longer keeps it")
    return found[0]


async def check_owned(here: Here, job_id: int) -> None:
    """`owned` for callers that may not see every job; for others it costs nothing, and the verb says that there is no job."""
    if here.caller.queues is not None:
        await owned(here, job_id)
