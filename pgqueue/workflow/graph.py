"""A workflow as a graph, to read and to draw."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Any

from .._json import dumps
from .._steps import Steps
from ..database.calls import workflows as calls
from .progress import no_workflow

_COLOURS = {
    "blocked": "#e5e7eb",
    "scheduled": "#dbeafe",
    "ready": "#bfdbfe",
    "running": "#fde68a",
    "succeeded": "#bbf7d0",
    "failed": "#fecaca",
    "cancelled": "#d1d5db",
    "skipped": "#f3f4f6",
}


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A job of a workflow.

    Attributes:
        id: the id of the job.
        name: the name in the workflow; None for a node without a name.
        task, queue: as given at the enqueue.
        state: blocked, scheduled, ready, running, succeeded, failed, cancelled or skipped.
        waits_for: the number of parents that are not over yet.
        attempt: the attempt of the last run; 0 before the first run.
        elapsed: seconds that the handler took; None until the job is over.
        reason, error: why it ended in this state, if there is a reason.
        progress: the last values of `ctx.progress`, while it runs.
        created_at, started_at, ended_at: times on the clock of the database.
    """

    id: int
    name: str | None
    task: str
    queue: str | None = None
    state: str = "blocked"
    waits_for: int = 0
    attempt: int | None = None
    elapsed: float | None = None
    reason: str | None = None
    error: Any = None
    progress: Any = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def label(self) -> str:
        """The name, or the task if there is no name."""
        return self.name or self.task


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """`child` waits for `parent`, both are job ids; `when`: succeeded, finished or failed."""

    parent: int
    child: int
    when: str = "succeeded"


@dataclass(frozen=True)
class Graph:
    """The type of `Workflow.graph()`: the workflow as it was at one moment.

    Attributes:
        nodes: the nodes in the order in which they were added.
        edges: the edges by child, those of a child in the order in which it takes its parents' results.
    """

    nodes: list[GraphNode]
    edges: list[GraphEdge]

    @classmethod
    def of(cls, id: int, run: Callable[..., Any]) -> Steps:
        """Steps that read a workflow, see `drive`; `run` runs a call.

        Raises:
            JobNotFound: there is no such workflow, or it is not kept any more.
        """
        edges = yield run(calls.edges(id))  # first: a node that is added meanwhile may lack edges, but no edge lacks its node
        nodes = yield run(calls.nodes(id))
        if not nodes:
            raise no_workflow(id)
        return cls(
            [GraphNode(id=row.pop("job_id"), **row) for row in nodes],
            [GraphEdge(row["parent_id"], row["child_id"], row["run_if"]) for row in edges],
        )

    @cached_property
    def by_id(self) -> Mapping[int, GraphNode]:
        """The nodes by job id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def generations(self) -> list[list[GraphNode]]:
        """The nodes in generations: nodes of the first have no parents, each other node has a parent in the generation before."""
        sorter: TopologicalSorter[int] = TopologicalSorter({node.id: () for node in self.nodes})
        for edge in self.edges:
            sorter.add(edge.child, edge.parent)
        sorter.prepare()
        waves = []
        while sorter.is_active():
            ready = sorted(sorter.get_ready())
            waves.append([self.by_id[id] for id in ready])
            sorter.done(*ready)
        return waves

    def parents(self, id: int) -> list[GraphEdge]:
        """The edges that lead to a node."""
        return self._parents.get(id, [])

    @cached_property
    def _parents(self) -> dict[int, list[GraphEdge]]:
        found: dict[int, list[GraphEdge]] = {}
        for edge in self.edges:
            found.setdefault(edge.child, []).append(edge)
        return found

    def to_json(self) -> str:
        """`{"nodes": […], "edges": […]}` with the attributes of both; times as ISO text."""
        nodes = [
            {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(node).items()}
            for node in self.nodes
        ]
        return dumps({"nodes": nodes, "edges": [asdict(edge) for edge in self.edges]})

    def to_mermaid(self) -> str:
        """The graph as a flowchart of Mermaid, coloured by state; a README on GitHub draws it, for example."""
        lines = ["flowchart TD"]
        lines += [f'    n{node.id}["{_escaped(node.label)}"]:::{node.state}' for node in self.nodes]
        lines += [f"    n{edge.parent} {_arrow(edge.when)} n{edge.child}" for edge in self.edges]
        present = dict.fromkeys(node.state for node in self.nodes)
        lines += [f"    classDef {state} fill:{_COLOURS[state]},color:#111827" for state in _COLOURS if state in present]
        return "\n".join(lines) + "\n"


def _arrow(when: str) -> str:
    return "-->" if when == "succeeded" else f"-. {when} .->"


def _escaped(text: str) -> str:
    """A label without characters that have a meaning in Mermaid, or in a browser."""
    return "".join(
        char if char.isalnum() or char in " _-.:" else f"#{ord(char)};" if char.isprintable() else " " for char in text
    )
