"""Dead letters: lists, groups, counts, alerts, retry, purge."""

from typing import Annotated, Any

from fastapi import Body, Query
from starlette.requests import Request
from starlette.responses import Response

from ..._checks import interval
from ..._json import dumps
from ...database.calls import dead as calls
from ...database.calls.jobs import count_jobs
from ...database.calls.operations import Order
from ...errors import JobNotFound
from ..bodies.dead_letters import (
    AlertOut,
    AlertsQuery,
    BulkIn,
    BulkRetryIn,
    Counts,
    Groups,
    GroupsQuery,
    LetterDetail,
    LetterPage,
    LetterQuery,
    LetterRetryIn,
    RetriedOut,
    Started,
    StatsQuery,
)
from ..bodies.filters import JobFilter, id_of
from ..bodies.pages import Paging
from ..callers.caller import Caller
from ..endpoint import Endpoints
from ..here import at
from ..jobs.starting import spec_of, start
from ..problems import Problem, invalid

endpoints = Endpoints("dead letters")
MOST = 100_000  # letters that are counted
_SPANS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days"}
_OF_USERS = {"args": None, "meta": None, "traceback": None}
_LISTED_NOT_READ = {**_OF_USERS, "error_message": None}
_NOT_READ = {**_LISTED_NOT_READ, "errors": None}


def _filter(given: JobFilter, caller: Caller) -> str:
    """The filter for dead letters, as SQL takes it; `given` may have other fields, which are no part of it."""
    if given.state not in (None, ["failed"]):
        raise invalid("state", ", ".join(given.state or ()), "dead letters are failed; leave it out")
    fields = {name: getattr(given, name) for name in JobFilter.model_fields}
    return JobFilter.model_construct(**fields | {"state": ["failed"]}).as_sql(caller)


@endpoints.get("/dead-letters", may_lag=True, calls=("list_jobs",), is_bound=True, model=LetterPage)
async def dead_letters(request: Request, query: Annotated[LetterQuery, Query()]) -> Response:
    """Dead letters, the latest first."""
    here = at(request)
    if query.view == "full" and not here.caller.may_read_arguments:
        raise Problem("forbidden", "view=full needs a key that may read arguments")
    filter = _filter(query, here.caller)
    paging = Paging(("dead letters", filter), query.limit, query.cursor)
    letters, following = await here.run(calls.dead_letters(filter, paging.after[0], query.limit))
    hidden = {} if query.view == "full" else _OF_USERS if here.caller.may_read_arguments else _LISTED_NOT_READ
    items = [letter | hidden for letter in letters]
    return here.answer(paging.ending(items, None if following is None else (following,)))


@endpoints.get("/dead-letters/groups", may_lag=True, calls=("dead_groups",), is_bound=True, model=Groups)
async def dead_groups(request: Request, query: Annotated[GroupsQuery, Query()]) -> Response:
    """Dead letters by fingerprint: each kind of failure is one group."""
    here = at(request)
    span = query.series and _SPANS[query.series]
    found, looked_to = await here.run(calls.dead_series(_filter(query, here.caller), query.limit, query.sort, span, query.look))
    rows: list[dict[str, Any]] = [group._asdict() | {"series": series} for group, series in found]
    for row in rows:
        del row["looked_to"]
        if not here.caller.may_read_arguments:
            row["message"] = None
    return here.answer({"groups": rows, "looked_to": looked_to})


@endpoints.get("/dead-letters/stats", may_lag=True, calls=("dead_stats",), is_bound=True, model=Counts)
async def dead_stats(request: Request, query: Annotated[StatsQuery, Query()]) -> Response:
    """Dead letters counted by a property; the newest ones."""
    here = at(request)
    found, looked_to = await here.run(calls.latest_stats(query.by, _filter(query, here.caller), query.limit, query.look))
    return here.answer({"by": query.by, "counts": found, "looked_to": looked_to})


@endpoints.get("/dead-letters/alerts", calls=("count_jobs",), is_bound=True, model=AlertOut)
async def dead_alerts(request: Request, query: Annotated[AlertsQuery, Query()]) -> Response:
    """Whether the dead letters of a filter have reached a threshold, for a monitor."""
    here = at(request)
    found = await here.run(count_jobs(_filter(query, here.caller), MOST))
    return here.answer({"threshold": query.threshold, "jobs": found.jobs, "is_reached": found.jobs >= query.threshold})


@endpoints.get("/dead-letters/{job_id}", is_bound=True, refuses=(404,), model=LetterDetail)
async def dead_letter(request: Request, job_id: str) -> Response:
    """One dead letter with its arguments, and the errors of all its runs."""
    here = at(request)
    found = await here.run(calls.dead_letter(id_of("job_id", job_id)))
    queues = here.caller.queues
    if not found or (queues is not None and found[0]["queue"] not in queues):
        raise _no_letter(job_id)
    return here.answer(found[0] | ({} if here.caller.may_read_arguments else _NOT_READ))


@endpoints.post("/dead-letters/{job_id}/retry", calls=("retry",), is_bound=True, refuses=(404, 409), model=RetriedOut)
async def retry_dead_letter(
    request: Request, job_id: str, body: Annotated[LetterRetryIn, Body(default_factory=LetterRetryIn)]
) -> Response:
    """Run a dead letter again, under its id; by default with all its attempts."""
    here = at(request)
    id, run_after = id_of("job_id", job_id), interval(body.run_after)
    queues = None if here.caller.queues is None else sorted(here.caller.queues)
    with here.acting():
        added = await here.act(calls.retry_letter(id, queues, not body.reset_attempts, run_after, body.force))
    if added is None:
        raise _no_letter(job_id)
    return here.answer(added)


@endpoints.post("/dead-letters/retry", calls=("start_operation",), is_bound=True, model=Started, status=202)
async def retry_dead_letters(request: Request, body: BulkRetryIn) -> Response:
    """Run all dead letters of a filter again: an operation, which Location names.

    The letters are fixed when it starts. One that has come back three times is skipped unless `force` is body.
    """
    spec = spec_of(
        keep_attempts=None if body.reset_attempts else True, run_after=interval(body.run_after), force=body.force or None
    )
    return await start(request, _order("retry", body, spec, at(request).caller), "/dead-letters/retry")


@endpoints.post("/dead-letters/purge", calls=("start_operation",), is_bound=True, model=Started, status=202)
async def purge_dead_letters(request: Request, body: BulkIn) -> Response:
    """Remove all dead letters of a filter for good: an operation, which Location names."""
    return await start(request, _order("discard", body, "{}", at(request).caller), "/dead-letters/purge")


def _order(kind: str, body: BulkIn, spec: str, caller: Caller) -> Order:
    """The order of an operation. The filter goes without a state, so that SQL sees whether it names anything."""
    wanted = body.filter
    if body.fingerprint is not None:
        if wanted.fingerprint is not None:
            raise invalid("fingerprint", body.fingerprint, "the filter has one too; leave one of the two out")
        wanted = wanted.model_copy(update={"fingerprint": [body.fingerprint]})
    if wanted.state not in (None, ["failed"]):
        raise invalid("filter.state", ", ".join(wanted.state or ()), "dead letters are failed; leave it out")
    wanted = wanted.model_copy(update={"state": None})
    if not body.all and not wanted.model_dump(exclude_none=True):
        raise invalid("filter", dumps({}), "it means every dead letter: name a field, or say all: true")
    return Order(kind, wanted.as_sql(caller), spec, None, body.reason, body.dry_run, body.per_second, is_all=body.all)


def _no_letter(job_id: str) -> JobNotFound:
    return JobNotFound(f"there is no dead letter {job_id[:30]}; it never existed, was retried or discarded, or is no longer kept")
