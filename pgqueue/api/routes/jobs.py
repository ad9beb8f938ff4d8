"""Jobs: lists, one, and verbs on one."""

from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from ...database.calls import reads
from ...errors import JobNotFound
from ..endpoint import Endpoints
from ..filters import id_of
from ..here import at

endpoints = Endpoints("jobs")


class JobOut(BaseModel):
    """A job with all that is known of it."""

    id: str
    state: str
    queue: str
    task: str
    args: Any = None


@endpoints.get("/jobs/{job_id}", is_bound=True, refuses=(404,), model=JobOut)
async def job(request: Request, job_id: str) -> Response:
    """One job with everything that is known of it."""
    here = at(request)
    found = await here.run(reads.job(id_of("job_id", job_id)))
    if not found:
        raise JobNotFound(f"there is no job {job_id}; it never existed, is not committed yet, or the history no longer keeps it")
    here.caller.check_queue(found[0]["queue"])
    return here.answer(found[0])
