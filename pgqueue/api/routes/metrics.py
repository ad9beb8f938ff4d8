"""Figures as JSON: now, by step, by hour and day."""

from dataclasses import fields
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from ..._checks import read_since
from ...control.metrics import metrics_of, series_of
from ...database.calls import metrics as calls
from ...database.calls import reads
from ...database.calls.metrics import Figures
from ..bodies.metrics import Activity, MetricsOut, Series, Stats, SumOut
from ..bodies.pages import USUAL, Cursor, Limit, Page, Paging
from ..bodies.times import Since, read_time, read_when
from ..endpoint import Endpoints
from ..here import at

endpoints = Endpoints("insight")
LONGEST = 36_000 * 86_400  # seconds
Seconds = Annotated[int, Query(ge=60, le=LONGEST, multiple_of=60, description="whole minutes, in seconds")]
Until = Annotated[str | None, Query(max_length=100, description="a time with a zone; the last closed minute by default")]
Queue = Annotated[str | None, Query(max_length=200, description="only jobs of this queue")]
Task = Annotated[str | None, Query(max_length=200, description="only jobs of this task")]
Most = Annotated[int, Query(ge=1, le=500, description="how many queues")]
_AGO = {"hour": "-1 day", "day": "-90 days"}


@endpoints.get("/metrics", may_lag=True, calls=("metrics",), model=MetricsOut)
async def metrics(request: Request, window_seconds: Seconds = 300) -> Response:
    """What happened lately: counts, rates, percentiles, of all jobs, by queue and by task.

    The time ends with the last closed minute. A window of more than 6 hours begins with a full hour, of more than 7 days with a
    midnight in UTC: the answer says which time it is about.
    """
    here = at(request)
    found = await here.run(metrics_of(window_seconds))
    whole = {field.name: getattr(found, field.name) for field in fields(found)}
    by_name = {scope: [_figures(one) for one in whole[scope].values()] for scope in ("queues", "tasks")}
    return here.answer(whole | {"all": _figures(found.all)} | by_name)


def _figures(figures: Figures) -> dict[str, Any]:
    """Figures with their priorities in a list: names of JSON are texts."""
    whole = {field.name: getattr(figures, field.name) for field in fields(figures)}
    if figures.ready is None:
        return whole
    return whole | {"ready": [{"priority": priority, "jobs": jobs} for priority, jobs in sorted(figures.ready.items())]}


@endpoints.get("/metrics/series", may_lag=True, calls=("metric_series",), model=Series)
async def metric_series(
    request: Request, step: Seconds = 60, since: Since = None, until: Until = None, queue: Queue = None, task: Task = None
) -> Response:
    """What happened step by step, for a chart; from an hour ago by default, 10,000 steps at most."""
    here = at(request)
    begin = read_when("since", since) or timedelta(hours=-1)
    end = None if until is None else read_time("until", until)
    found = await here.run(series_of(step, begin, end, queue, task))
    return here.answer({"step_seconds": step, "steps": found})


@endpoints.get("/metrics/queues", may_lag=True, calls=("queue_activity",), is_bound=True, model=Activity)
async def queue_activity(request: Request, limit: Most = 200) -> Response:
    """What each queue holds now, and what it did in the last hour, the busiest first: as an overview shows it, in one answer."""
    here = at(request)
    only = None if here.caller.queues is None else sorted(here.caller.queues)
    found = await here.run(calls.queue_activity(limit + 1, only))
    hour = {name: found[0][name] if found else None for name in ("since", "until")}
    rows = [{name: value for name, value in row.items() if name not in hour} for row in found[:limit]]
    return here.answer(hour | {"step_seconds": calls.STEP_SECONDS, "queues": rows, "is_cut": len(found) > limit})


@endpoints.get("/metrics/aggregate", may_lag=True, model=Page[SumOut])
async def metric_sums(
    request: Request,
    by: Literal["hour", "day"] = "hour",
    since: Since = None,
    until: Until = None,
    queue: Queue = None,
    task: Task = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
) -> Response:
    """What has ended by hour or by day, queue and task, the newest first.

    Hours are kept for 90 days, days for ever. By default: the last day by hour, the last 90 days by day.
    """
    here = at(request)
    paging = Paging(("sums", by, since, until, queue, task), limit, cursor, 3)
    begin = read_when("since", since)
    time, ago = (None, _AGO[by]) if begin is None else read_since("since", begin)
    end = None if until is None else read_time("until", until).isoformat()
    found = await here.run(calls.metric_sums(by, calls.Wanted(time, ago, end, queue, task), paging.after, paging.fetch))
    return here.answer(paging.page(found, lambda row: (row["at"], row["queue"], row["task"])))


@endpoints.get("/stats", may_lag=True, model=Stats)
async def stats(
    request: Request,
    tasks: Annotated[bool, Query(description="without them no dead letter is counted")] = True,
) -> Response:
    """Live jobs by queue, state and priority, and each task in the last hour with its dead letters."""
    here = at(request)
    queues = await here.run(reads.queue_stats())
    return here.answer({"queues": queues, "tasks": await here.run(reads.task_stats()) if tasks else None})
