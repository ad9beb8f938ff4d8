"""Results of jobs: read, wait for, keep longer, delete."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from ..._json import readable_exactly
from ...database.calls import results as calls
from ...errors import JobNotFound
from ..bodies.filters import id_of
from ..bodies.results import KeptOut, ResultOut, TtlIn, TtlOut
from ..callers.caller import READERS
from ..endpoint import Endpoints
from ..here import at
from ..jobs.causes import why_late
from ..jobs.lookup import without
from ..jobs.owned import check_owned
from ..waiting.waits import LONGEST, wait_until

endpoints = Endpoints("results")
WATCHERS = READERS | {"worker"}
OVER = ("succeeded", "failed", "cancelled", None)
Wait = Annotated[float, Query(ge=0, le=LONGEST, description="seconds to wait for the end", examples=[10])]


@endpoints.get("/jobs/{job_id}/result", may=WATCHERS, calls=("result", "explain"), is_bound=True, refuses=(404,), model=ResultOut)
async def result(request: Request, job_id: str, wait: Wait = 0) -> Response:
    """What a job has returned; with `wait`, when it is over, or after so many seconds as it stands.

    The answer is 200 in any case: look at `state`. Of a job that is not over, `value` is null and the header Retry-After says
    when to ask again; after a wait, `why` says why it is not over.
    """
    here, id = at(request), id_of("job_id", job_id)
    await check_owned(here, id)
    with here.service.hub.ends([id]) as ear:
        look = calls.result(id, readable_exactly)
        found = await wait_until(request, ear, wait, lambda: here.run(look), lambda seen: seen.state in OVER)
    if found.state is None:
        raise _none(id)
    row = {"id": id, **found._asdict()}
    del row["task"]
    row["why"] = await why_late(here, id) if wait > 0 and found.state not in OVER else None
    headers = {} if found.state in OVER else {"Retry-After": "1"}
    return here.answer(without(here, row, ("value", "error")), headers=headers)


@endpoints.delete("/jobs/{job_id}/result", calls=("delete_result",), is_bound=True, refuses=(404, 409), status=204)
async def delete_result(request: Request, job_id: str) -> Response:
    """Remove a result now. The job stays."""
    here, id = at(request), id_of("job_id", job_id)
    await check_owned(here, id)
    with here.acting():
        await here.act(calls.delete_result(id))
    return Response(status_code=204)


@endpoints.get("/jobs/{job_id}/result/ttl", may=WATCHERS, calls=("result",), is_bound=True, refuses=(404,), model=TtlOut)
async def result_ttl(request: Request, job_id: str) -> Response:
    """How long a result is still kept."""
    here, id = at(request), id_of("job_id", job_id)
    await check_owned(here, id)
    found = await here.run(calls.kept(id))
    if found.state is None:
        raise _none(id)
    return here.answer({"id": id, "state": found.state, "seconds": found.ttl})


@endpoints.put("/jobs/{job_id}/result/ttl", calls=("extend_result",), is_bound=True, refuses=(404, 409, 413), model=KeptOut)
async def extend_result(request: Request, job_id: str, body: TtlIn) -> Response:
    """Keep a result for so many seconds from now."""
    here, id = at(request), id_of("job_id", job_id)
    await check_owned(here, id)
    with here.acting():
        return here.answer({"id": id, "expires_at": await here.act(calls.extend_result(id, body.seconds))})


def _none(job_id: int) -> JobNotFound:
    return JobNotFound(f"there is no job {job_id}; it never existed, is not committed yet, or the history no longer keeps it")
