"""Verbs on all jobs of a filter."""

from typing import Annotated, Any

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from ..._checks import read_text
from ..._json import loads
from ...control.rules import rules_json
from ...database.calls import operations as calls
from ...database.calls.operations import OperationStatus, Order
from ...errors import JobNotFound
from ..bodies.fields import given
from ..bodies.filters import id_of
from ..bodies.operations import OperationIn, OperationOut, OperationPage, PreviewOut, PreviewQuery, SpecIn
from ..bodies.pages import USUAL, Cursor, Limit, Paging
from ..callers.caller import ADMINS
from ..endpoint import Endpoints
from ..here import Here, at
from ..jobs.starting import begin
from ..waiting.waits import LONGEST, Ticks, wait_until
from ..written import written

endpoints = Endpoints("operations")
Wait = Annotated[float, Query(ge=0, le=LONGEST, description="seconds to wait for its end", examples=[10])]
OnlyOpen = Annotated[bool, Query(description="leave out those that are over")]


@endpoints.post("/operations", calls=("start_operation",), is_bound=True, refuses=(404, 413), model=OperationOut, status=202)
async def start(request: Request, body: OperationIn) -> Response:
    """Cancel, retry, discard or update all jobs of a filter.

    The jobs are fixed now: none that is added later belongs to it. A small operation is done when the answer comes; a large one
    goes on, whatever becomes of this server: watch it under the header Location. A job whose state does not allow the verb is
    skipped, and counted. New arguments need the role admin.
    """
    here = at(request)
    if body.spec.args is not None:
        here.caller.must_be(ADMINS, "changing the arguments of jobs")
    if body.spec.queue is not None:
        here.caller.check_queue(body.spec.queue)
    spec = written("spec", _spec(here, body.spec))
    filter = body.filter.as_sql(here.caller)
    reason = read_text("reason", body.reason)
    id = await begin(here, Order(body.kind, filter, spec, None, reason, body.dry_run, body.per_second, body.all))
    return here.answer(await _one(here, id), 202, {"Location": f"{request.url.path}/{id}"})


@endpoints.get("/operations", may_lag=True, is_bound=True, model=OperationPage)
async def operations(
    request: Request,
    only_open: OnlyOpen = False,
    cursor: Cursor = None,
    limit: Limit = USUAL,
) -> Response:
    """Operations, the newest first. They are kept as long as the history."""
    here, paging = at(request), Paging(("operations", only_open), limit, cursor)
    found = await here.run(calls.operations(only_open, paging.fetch, paging.id()))
    page = paging.page(found, lambda one: (one.id,))
    return here.answer(page | {"items": [_shown(here, one) for one in page["items"] if _is_seen(here, one)]})


@endpoints.get("/operations/preview", calls=("preview_operation",), is_bound=True, model=PreviewOut)
async def preview(request: Request, query: Annotated[PreviewQuery, Query()]) -> Response:
    """How many jobs an operation would be about, by a look at some of them; nothing is started."""
    here = at(request)
    found = await here.run(calls.preview_operation(query.kind, query.as_sql(here.caller), query.all, query.look))
    return here.answer({**found._asdict(), "filter": _readable(here, found.filter)})


@endpoints.get("/operations/{operation_id}", is_bound=True, refuses=(404,), model=OperationOut)
async def operation(request: Request, operation_id: str, wait: Wait = 0) -> Response:
    """How far an operation is; with `wait`, when it is over, or after so many seconds."""
    here, id = at(request), id_of("operation_id", operation_id)
    ticks = Ticks(here.service.stopping)
    found = await wait_until(request, ticks, wait, lambda: _one(here, id), lambda seen: seen["finished_at"] is not None)
    return here.answer(found)


@endpoints.post(
    "/operations/{operation_id}/cancel", calls=("cancel_operation",), is_bound=True, refuses=(404, 409), model=OperationOut
)
async def cancel(request: Request, operation_id: str) -> Response:
    """End an operation: what is done stays, the other jobs are left as they are."""
    here, id = at(request), id_of("operation_id", operation_id)
    await _one(here, id)
    with here.acting():
        await here.act(calls.cancel_operation(id, None))
    return here.answer(await _one(here, id))


async def _one(here: Here, operation_id: int) -> dict[str, Any]:
    found = await here.run(calls.operation(operation_id))
    if found is None or not _is_seen(here, found):
        raise JobNotFound(f"there is no operation {operation_id}; it never existed, or the history no longer keeps it")
    return _shown(here, found)


def _is_seen(here: Here, operation: OperationStatus) -> bool:
    """Whether it is only about queues of the caller."""
    if here.caller.queues is None:
        return True
    queues = operation.filter.get("queue") or ()
    return bool(queues) and here.caller.queues.issuperset([queues] if isinstance(queues, str) else queues)


def _shown(here: Here, operation: OperationStatus) -> dict[str, Any]:
    row = operation._asdict() | {"filter": _readable(here, operation.filter)}
    if not here.caller.may_read_arguments:
        row["spec"] = {name: value for name, value in operation.spec.items() if name != "args"}
    return row


def _readable(here: Here, filter: dict[str, Any]) -> dict[str, Any]:
    """A filter without arguments for who may not read them."""
    return {name: value for name, value in filter.items() if here.caller.may_read_arguments or name not in ("args", "meta")}


def _spec(here: Here, spec: SpecIn) -> dict[str, Any]:
    """The options of a verb as SQL takes them."""
    found = dict(given(spec))
    if "run_at" in found:
        found["run_at"] = found["run_at"].isoformat()
    for name in {"run_after", "force_after"} & found.keys():
        found[name] = f"{found[name]:.6f} seconds"
    if "rules" in found:
        policies = rules_json(here.service.app.tasks, found.pop("rules"))
        found |= {} if policies is None else {"rules": loads(policies)}
    return found
