"""Workflows: submit, look at, cancel, retry."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ..._steps import adrive
from ..._text import harmless
from ...database.calls import reads
from ...database.calls import workflows as calls
from ...tracing.sending import sending
from ...workflow.graph import Graph
from ...workflow.progress import no_workflow
from ..bodies.filters import id_of
from ..bodies.pages import USUAL, Cursor, Limit, Page, Paging
from ..bodies.workflows import (
    CancelledOut,
    GraphOut,
    NodeOut,
    NodeState,
    RetriedNodes,
    ShapeOut,
    Status,
    Text,
    WorkflowAdded,
    WorkflowDetail,
    WorkflowIn,
    WorkflowOut,
)
from ..callers.caller import PRODUCERS
from ..endpoint import Endpoints
from ..here import Here, at
from ..jobs.nodes import written
from ..problems import Problem

endpoints = Endpoints("workflows")
AT_ONCE = 200  # nodes; more of them would hold up other requests, at 50 to 70 µs each
MOST_DRAWN = 5000  # nodes of a graph
_MERMAID: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@endpoints.post(
    "/workflows",
    may=PRODUCERS,
    calls=("enqueue_workflow", "last_nodes"),
    is_bound=True,
    refuses=(409,),
    model=WorkflowAdded,
    status=201,
)
async def submit_workflow(request: Request, body: WorkflowIn) -> Response:
    """Add a workflow: all of its jobs or none.

    Nodes name their parents in `after`, in any order; a node without parents is ready at once. Arguments of tasks that this
    server knows are checked; those of others are checked by the worker that runs them.
    """
    here = at(request)
    tasks = here.service.app.tasks
    flow = await asyncio.to_thread(written, body, tasks) if len(body.nodes) > AT_ONCE else written(body, tasks)
    for queue in sorted(flow.queues):
        here.caller.check_queue(queue)
    with sending(None, None) as sent:
        call = calls.enqueue_workflow(flow.nodes, body.name, flow.on_success, flow.on_failure, sent.trace)
        added = await here.add(sent.noting(call))
    nodes = [{"name": node.name, "id": added.job_ids[place]} for node, place in zip(body.nodes, flow.places, strict=True)]
    where = {"Location": f"{request.url.path}/{added.id}"}
    return here.answer({"id": added.id, "nodes": nodes, "last": added.last}, 201, where)


@endpoints.get("/workflows", may_lag=True, model=Page[WorkflowOut])
async def workflows(
    request: Request,
    status: Status | None = None,
    name: Annotated[Text | None, Query(description="a part of the name, in upper or lower case")] = None,
    count_up_to: Annotated[int | None, Query(ge=0, description="nodes; of larger ones they are not counted by state")] = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
) -> Response:
    """Workflows with their progress, the newest first. Each node is counted: give `count_up_to`, or ask for few of large ones."""
    here = at(request)
    paging = Paging(("workflows", status, name), limit, cursor, 1)
    found = await here.run(calls.workflows(status, paging.after, paging.fetch, name, count_up_to))
    return here.answer(paging.page(found, lambda row: (row["id"],)))


@endpoints.get("/workflows/{workflow_id}", refuses=(404,), model=WorkflowDetail)
async def workflow(
    request: Request,
    workflow_id: str,
    tasks: Annotated[bool, Query(description="without them it takes a tenth of the time")] = True,
) -> Response:
    """One workflow with its progress, and how many nodes of each task are in which state."""
    here = at(request)
    now = await _progress(here, workflow_id)
    if not tasks:
        return here.answer(now | {"tasks": None})
    rows = await here.run(reads.workflow_tasks(now["id"]))
    for row in rows:
        del row["first"]
    return here.answer(now | {"tasks": rows})


@endpoints.get("/workflows/{workflow_id}/nodes", refuses=(404,), model=Page[NodeOut])
async def workflow_nodes(
    request: Request,
    workflow_id: str,
    state: NodeState | None = None,
    task: Text | None = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
) -> Response:
    """The nodes of a workflow in the order in which they were added; those in a state, or of a task."""
    here = at(request)
    paging = Paging(("nodes", workflow_id, state, task), limit, cursor, 1)
    id = id_of("workflow_id", workflow_id)
    found = await here.run(calls.nodes_in(id, paging.after, paging.fetch, state, task))
    if not found:
        await _progress(here, workflow_id)
    return here.answer(paging.page([_node(here, row) for row in found], lambda row: (row["job_id"],)))


@endpoints.get("/workflows/{workflow_id}/graph", refuses=(404, 409), model=GraphOut, responses=_MERMAID)
async def workflow_graph(request: Request, workflow_id: str, format: Literal["json", "mermaid"] = "json") -> Response:
    """The nodes and edges of a workflow, of 5,000 nodes at most; or as a flowchart of Mermaid, coloured by state."""
    here = at(request)
    now = await _progress(here, workflow_id)
    if now["nodes"] > MOST_DRAWN:
        raise Problem("wrong-state", f"workflow {now['id']} has {now['nodes']:,} nodes, too many for a graph; ask for its /nodes")
    graph: Graph = await adrive(Graph.of(now["id"], here.run))
    if format == "mermaid":
        return PlainTextResponse(harmless(here.service.redactor.text(graph.to_mermaid())))
    names = ("name", "task", "queue", "state", "waits_for", "attempt", "elapsed", "reason", "error", "created_at", "started_at",
             "ended_at")  # fmt: skip
    nodes = [_node(here, {"job_id": node.id, **{name: getattr(node, name) for name in names}}) for node in graph.nodes]
    edges = [{"parent_id": edge.parent, "child_id": edge.child, "when": edge.when} for edge in graph.edges]
    return here.answer({"nodes": nodes, "edges": edges})


@endpoints.get("/workflows/{workflow_id}/shape", calls=("workflow_shape",), refuses=(404, 409), model=ShapeOut)
async def workflow_shape(
    request: Request,
    workflow_id: str,
    most: Annotated[int, Query(ge=10, le=1000, description="the most boxes")] = 300,
) -> Response:
    """A workflow of up to 50,000 nodes as boxes to draw.

    More than 5 nodes of one task with the same parents and the same children are one box. If that makes too many, nodes of one
    task at one depth are; if these are too many, all nodes of some depths. States do not change which nodes are together.
    """
    here = at(request)
    boxes = await here.run(calls.shape(id_of("workflow_id", workflow_id), most))
    if not boxes:
        await _progress(here, workflow_id)
    edges = [
        {"parent_id": parent, "child_id": box["id"], "when": when, "edges": edges}
        for box in boxes
        for parent, when, edges in zip(box.pop("after"), box.pop("run_if"), box.pop("edges"), strict=True)
    ]
    return here.answer({"boxes": boxes, "edges": edges})


@endpoints.post("/workflows/{workflow_id}/cancel", calls=("cancel_workflow",), refuses=(404,), model=CancelledOut)
async def cancel_workflow(request: Request, workflow_id: str) -> Response:
    """Cancel the nodes that have not begun, and ask those that run to stop; one that is over stays as it is."""
    here = at(request)
    id = id_of("workflow_id", workflow_id)
    with here.acting():
        return here.answer({"cancelled": await here.act(calls.cancel_workflow(id))})


@endpoints.post("/workflows/{workflow_id}/retry", calls=("retry_workflow",), refuses=(404, 409), model=RetriedNodes)
async def retry_workflow(request: Request, workflow_id: str) -> Response:
    """Run the dead letters of a workflow again; what was skipped because of them waits for them again."""
    here = at(request)
    id = id_of("workflow_id", workflow_id)
    with here.acting():
        return here.answer({"retried": await here.act(calls.retry_workflow(id))})


async def _progress(here: Here, workflow_id: str) -> dict[str, Any]:
    id = id_of("workflow_id", workflow_id)
    found = await here.run(calls.progress(id))
    if not found:
        raise no_workflow(id)
    return found[0]


def _node(here: Here, row: dict[str, Any]) -> dict[str, Any]:
    """A node without what its handler has said, apart from the type and the message of its error."""
    shown = {name: value for name, value in row.items() if name not in ("error", "progress")}
    error = row["error"] if isinstance(row["error"], dict) else {}
    message = error.get("message") if here.caller.may_read_arguments else None
    return shown | {"error_type": error.get("type"), "error_message": message}
