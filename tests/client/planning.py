"""Plans of workflows without a database."""

import json
from typing import Any

from pgqueue import PgQueue, Signature
from pgqueue.workflow.canvas import Part
from pgqueue.workflow.plan import Plan

NOWHERE = "postgresql://nobody@localhost:1/nothing"


def planned(app: PgQueue, *parts: Part[Any]) -> list[dict[str, Any]]:
    """The nodes of these parts, as SQL would get them."""
    plan = Plan(app)
    for part in parts:
        plan.add(part)
    return written(plan)


def written(plan: Plan, **extra: Signature[Any] | None) -> list[dict[str, Any]]:
    """The nodes of a plan, as SQL would get them."""
    with plan.submission(**extra) as submission:
        nodes: list[dict[str, Any]] = json.loads(submission.nodes)
        return nodes


def edges(nodes: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The parents of each node that has some, by names."""
    named = [node["name"] for node in nodes]
    return {
        node["name"]: [named[parent - 1] if isinstance(parent, int) else parent for parent in node["after"]]
        for node in nodes
        if "after" in node
    }
