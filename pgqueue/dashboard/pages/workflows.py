"""Workflows: the list, one with its graph and its nodes, and what can be done with it."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.responses import Response

from ..._text import harmless
from ..graphs.picture import STACKED, counts_of, picture
from ..guard import back_of
from ..page import Form, Pages, Visit
from ..panel import Panel
from ..render import query

pages = Pages()
STATUSES = ("running", "succeeded", "failed", "cancelled")
ZOOMS = (None, 0.5, 0.75, 1.0, 1.5)
COUNTED = 400  # nodes of a workflow in the list: 25 of them are 10,000
ONE = "/workflows/{workflow_id}"


@pages.page("/workflows", of="GET /workflows")
async def workflows(at: Visit) -> Response:
    """The workflows, the newest first."""
    filter = {name: at.query.get(name) or None for name in ("status", "name")}
    found = at.panel("/workflows", **filter, cursor=at.query.get("cursor"), limit=25, count_up_to=COUNTED)
    return await at.show(
        "workflows.html", "Workflows", found=found, filter=filter, statuses=STATUSES, counts_of=shares, took=took
    )


@pages.page(ONE, of="GET /workflows/{workflow_id}")
async def workflow(at: Visit, workflow_id: str) -> Response:
    """One workflow: its graph, its nodes, and what people did to it."""
    path = f"/workflows/{workflow_id}"
    filter = {name: at.query.get(name) or None for name in ("state", "task")}
    shape = at.panel(f"{path}/shape")
    nodes = at.panel(f"{path}/nodes", **filter, cursor=at.query.get("cursor"), limit=50)
    acts = at.panel("/audit", kind="workflow", subject=workflow_id, limit=10) if at.can("GET /audit") else None
    node = at.query.get("node") or None
    why = at.panel(f"/jobs/{node}/explain") if node and at.can("GET /jobs/{job_id}/explain") else None
    now = await at.ask(path, tasks="false")
    drawn = await asyncio.to_thread(_drawn, await shape)
    view = {name: at.query.get(name) or None for name in ("zoom", "node")}
    zoom = _zoom(view["zoom"])
    zooms = [(_percent(one) + (" %" if one else ""), _here(at, one), one == zoom) for one in ZOOMS]
    return await at.show(
        "workflow.html", _title(now), now=now, shares=shares(now), shape=shape, drawn=drawn, nodes=nodes, acts=acts, why=why,
        node=node, filter=filter, view=view, states=STACKED, zooms=zooms, zoom=zoom, took=took,
    )  # fmt: skip


@pages.page(f"{ONE}/mermaid", of="GET /workflows/{workflow_id}/graph")
async def mermaid(at: Visit, workflow_id: str) -> Response:
    """The graph as a flowchart of Mermaid, to copy."""
    text = await at.ask(f"/workflows/{workflow_id}/graph", format="mermaid")
    return await at.show("mermaid.html", f"Workflow {workflow_id} as Mermaid", text=text, id=workflow_id)


@pages.act(f"{ONE}/cancel", of="POST /workflows/{workflow_id}/cancel")
async def cancel(at: Visit, form: Form, workflow_id: str) -> Response:
    """Cancel what has not begun, and ask the others to stop."""
    did = await at.tell("POST", f"/workflows/{workflow_id}/cancel")
    said = _counted(did["cancelled"], "node was cancelled", "nodes were cancelled") + "; those that run are asked to stop."
    return at.go(back_of(at, form), said=said if did["cancelled"] else "No node was waiting; those that run are asked to stop.")


@pages.act(f"{ONE}/retry", of="POST /workflows/{workflow_id}/retry")
async def retry(at: Visit, form: Form, workflow_id: str) -> Response:
    """Run its dead letters again."""
    many = (await at.tell("POST", f"/workflows/{workflow_id}/retry"))["retried"]
    said = _counted(many, "dead letter runs again", "dead letters run again") + "; what was skipped below waits again."
    return at.go(back_of(at, form), said=said if many else "No dead letter is left to retry.")


def shares(of: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The nodes by state, or at least how many are over, if they were not counted by state."""
    if of["succeeded"] is not None:
        return counts_of(of)
    return [("over", of["nodes"] - of["open"])] if of["nodes"] > of["open"] else []


def took(of: Mapping[str, Any]) -> float:
    """Seconds from the enqueue to the end."""
    return (datetime.fromisoformat(of["finished_at"]) - datetime.fromisoformat(of["created_at"])).total_seconds()


def _title(of: Mapping[str, Any]) -> str:
    return harmless(f"Workflow {of['id']} {of['name'] or ''}".rstrip())


def _drawn(shape: Panel) -> Any:
    return picture(shape.value) if shape.value else None


def _zoom(given: str | None) -> float | None:
    """How large the graph is drawn: 1 = as it is; None = as large as there is room."""
    return next((one for one in ZOOMS if _percent(one) == given), 1.0)


def _percent(zoom: float | None) -> str:
    return "fit" if zoom is None else f"{zoom * 100:.0f}"


def _here(at: Visit, zoom: float | None) -> str:
    """This page with its graph in another size."""
    return at.base + at.path + query(**{**at.query, "zoom": _percent(zoom)}) + "#graph"


def _counted(many: int, one: str, several: str) -> str:
    return f"{many:,} {one if many == 1 else several}"
