"""Jobs: lists, one, and verbs on one."""

from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from ..._checks import interval, read_priority, read_text
from ..._json import readable_exactly
from ..._text import storable
from ...database.calls import jobs as calls
from ...database.calls import logs as log_calls
from ...database.calls import manage
from ...database.calls import steps as step_calls
from ...database.calls import workflows as workflow_calls
from ...errors import JobNotFound
from ...steps.memory import check_name
from ..bodies.filters import id_of
from ..bodies.jobs import (
    CancelIn,
    CancelOut,
    CausesOut,
    DiscardIn,
    DiscardOut,
    JobOut,
    JobPage,
    JobQuery,
    LineOut,
    PatchIn,
    RelativesOut,
    RetryJobIn,
    RetryOut,
    SignalIn,
    SignalledOut,
    StepsOut,
)
from ..bodies.pages import MOST_ROWS, USUAL, Cursor, Limit, Page, Paging
from ..callers.caller import ADMINS, OPERATORS, PRODUCERS, READERS
from ..endpoint import Endpoints
from ..here import Here, at
from ..jobs.causes import causes_of
from ..jobs.enqueuing import checked_args
from ..jobs.lookup import OF_READERS, steps_of, whole_job
from ..jobs.owned import check_owned, owned
from ..problems import Problem, invalid
from ..written import written

endpoints = Endpoints("jobs")
COUNTED = 10_000  # jobs that count=bounded looks at
WATCHERS = READERS | {"worker"}
TELLERS = PRODUCERS | OPERATORS
_HIDDEN = {"basic": OF_READERS, "errors": ("args", "meta"), "full": ()}
Most = Annotated[
    int | None,
    Query(ge=0, le=2**31 - 1, description="leave out values that are longer, in bytes of JSON; `sizes` says how long they are"),
]
LineOrder = Annotated[Literal["first", "last"], Query(description="which lines come first: the first ones, or the last ones")]
_ONE = {"is_bound": True, "refuses": (404,)}
_VERB = {"is_bound": True, "refuses": (404, 409, 413)}


@endpoints.get("/jobs", may_lag=True, calls=("list_jobs", "count_jobs"), is_bound=True, model=JobPage)
async def jobs(request: Request, query: Annotated[JobQuery, Query()]) -> Response:
    """Jobs that match a filter, page by page.

    Several values of a field are given by repeating it: `state=ready&state=scheduled`. There are no totals: count=bounded counts
    as far as a look at 10,000 jobs tells.
    """
    here = at(request)
    if query.view != "basic" and not here.caller.may_read_arguments:
        raise Problem("forbidden", f"view={query.view} needs a key that may read arguments; {here.caller.name} may not")
    filter = query.as_sql(here.caller)
    paging = Paging(("jobs", query.order, filter), query.limit, query.cursor)
    page = await here.run(calls.list_jobs(filter, query.order, paging.after[0], query.limit, query.view != "full", query.look))
    hidden = _HIDDEN[query.view]
    items = [{name: value for name, value in job._asdict().items() if name not in hidden} for job in page.jobs]
    answer = paging.ending(items, None if page.next is None else (page.next,)) | {"looked_to": page.looked_to}
    if query.count is not None:
        answer["count"] = await _count(here, filter)
    return here.answer(answer)


@endpoints.get("/jobs/{job_id}", **_ONE, calls=("result", "steps", "signals"), model=JobOut)
async def job(request: Request, job_id: str, most: Most = None) -> Response:
    """One job with everything that is known of it."""
    here = at(request)
    return here.answer(await whole_job(here, id_of("job_id", job_id), most))


@endpoints.get("/jobs/{job_id}/relatives", **_ONE, calls=("relatives",), model=RelativesOut)
async def relatives(request: Request, job_id: str, limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 20) -> Response:
    """The jobs of its workflow that it waits for, and those that wait for it, with their states."""
    here, id = at(request), id_of("job_id", job_id)
    await owned(here, id)
    found = await here.run(workflow_calls.relatives(id, limit + 1))
    kinds: dict[str, list[dict[str, Any]]] = {"parent": [], "child": []}
    for row in found:
        if here.caller.queues is None or row["queue"] in here.caller.queues:
            kinds[row.pop("kind")].append(row)
    parents, children = kinds["parent"], kinds["child"]
    more = {"more_parents": len(parents) > limit, "more_children": len(children) > limit}
    return here.answer({"parents": parents[:limit], "children": children[:limit], **more})


@endpoints.patch("/jobs/{job_id}", **_VERB, calls=("update",), model=JobOut)
async def update(request: Request, job_id: str, body: PatchIn) -> Response:
    """Change a job that has not started. New arguments need the role admin. The answer is the job as it is now."""
    here, id = at(request), id_of("job_id", job_id)
    if body == PatchIn():
        raise invalid("body", {}, "give what is to change: priority, queue, run_at, run_after or args")
    args = await _new_args(here, id, body.args)
    priority = None if body.priority is None else read_priority(body.priority)
    run_at = None if body.run_at is None else body.run_at.isoformat()
    queue = None if body.queue is None else storable("queue", body.queue)
    if queue is not None:
        here.caller.check_queue(queue)
    with here.acting():
        await here.act(manage.update(id, args, priority, run_at, interval(body.run_after), queue))
    return here.answer(await whole_job(here, id))


@endpoints.post("/jobs/{job_id}/cancel", **_VERB, calls=("cancel",), model=CancelOut)
async def cancel(request: Request, job_id: str, body: CancelIn | None = None) -> Response:
    """Cancel a job: a waiting one is over at once, a running one is asked to stop."""
    here, id, how = at(request), id_of("job_id", job_id), body or CancelIn()
    await check_owned(here, id)
    with here.acting():
        call = manage.cancel(id, None, read_text("reason", how.reason), how.force, interval(how.force_after))
        did = await here.act(call)
    return here.answer({"id": id, "did": did})


@endpoints.post("/jobs/{job_id}/retry", **_VERB, calls=("retry",), model=RetryOut)
async def retry(request: Request, job_id: str, body: RetryJobIn | None = None) -> Response:
    """Run a job again that waits for a retry, has failed or is over. New arguments need the role admin."""
    here, id, how = at(request), id_of("job_id", job_id), body or RetryJobIn()
    if how.keep_attempts is not None and how.keep_attempts == how.reset_attempts:
        raise invalid("reset_attempts", how.reset_attempts, "it is the opposite of keep_attempts; give one of them")
    keeps = how.keep_attempts is True or how.reset_attempts is False
    args = await _new_args(here, id, how.args)
    with here.acting():
        runs = await here.act(manage.retry(id, None, args, None, keeps, interval(how.run_after), how.force))
    return here.answer({"id": id, "runs_as": runs.id, "duplicate": runs.duplicate})


@endpoints.post("/jobs/{job_id}/signal", **_VERB, may=TELLERS, calls=("signal",), model=SignalledOut)
async def signal(request: Request, job_id: str, body: SignalIn) -> Response:
    """Tell a job something that it waits for, or will wait for. The first signal of a name wins."""
    here, id = at(request), id_of("job_id", job_id)
    await check_owned(here, id)
    payload = None if body.payload is None else written("payload", body.payload)
    with here.acting():
        stored = await here.act(step_calls.signal(id, check_name("name", body.name), payload))
    return here.answer({"id": id, "name": body.name, "stored": stored})


@endpoints.post("/jobs/{job_id}/discard", **_VERB, calls=("discard",), model=DiscardOut)
async def discard(request: Request, job_id: str, body: DiscardIn | None = None) -> Response:
    """Remove a dead letter for good."""
    here, id = at(request), id_of("job_id", job_id)
    await check_owned(here, id)
    with here.acting():
        await here.act(manage.discard(id, None, read_text("reason", body.reason if body else None)))
    return here.answer({"id": id, "did": "discarded"})


@endpoints.get("/jobs/{job_id}/logs", **_ONE, may=WATCHERS, calls=("watch",), model=Page[LineOut])
async def logs(
    request: Request, job_id: str, order: LineOrder = "first", cursor: Cursor = None, limit: Limit = USUAL
) -> Response:
    """What its handler has said. Of each job the last lines are kept, see the table setting."""
    here, id = at(request), id_of("job_id", job_id)
    await check_owned(here, id)
    paging = Paging(("logs", id, order), limit, cursor)
    is_last = order == "last"
    found = await here.run(log_calls.watch(id, paging.id() or 0, 1 if is_last else paging.fetch, readable_exactly))
    if found.state is None:
        raise _no_job(id)
    lines = await here.run(log_calls.last_lines(id, paging.id(), paging.fetch)) if is_last else found.lines
    return here.answer(paging.page(lines, lambda line: (line["seq"],)))


@endpoints.get("/jobs/{job_id}/explain", **_ONE, may=WATCHERS, calls=("explain",), model=CausesOut)
async def explain(request: Request, job_id: str) -> Response:
    """Why it does not run, who runs it, or how it has ended: the decisive cause first."""
    here, id = at(request), id_of("job_id", job_id)
    await check_owned(here, id)
    return here.answer({"items": await causes_of(here, id)})


@endpoints.get("/jobs/{job_id}/steps", **_ONE, may=WATCHERS, calls=("steps",), model=StepsOut)
async def steps(request: Request, job_id: str) -> Response:
    """The steps that it has done, in that order."""
    here, id = at(request), id_of("job_id", job_id)
    await owned(here, id)
    return here.answer({"items": await steps_of(here, id)})


async def _new_args(here: Here, job_id: int, args: dict[str, Any] | None) -> str | None:
    """New arguments of a job, which only a role that may enqueue and act on jobs gives, as JSON text."""
    if args is None:
        await check_owned(here, job_id)
        return None
    here.caller.must_be(ADMINS, "changing the arguments of a job")
    return checked_args(here.service.app, (await owned(here, job_id))["task"], args)


async def _count(here: Here, filter: str) -> dict[str, Any]:
    found = await here.run(calls.count_jobs(filter, COUNTED))
    return {**found._asdict(), "text": f"{found.jobs:,}{'' if found.is_over else '+'}"}


def _no_job(job_id: int) -> JobNotFound:
    return JobNotFound(f"there is no job {job_id}; it never existed, or the history no longer keeps it")
