"""A workflow for people: its progress, and its graph as a tree."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.text import Text
from rich.tree import Tree

from ..workflow.graph import Graph, GraphEdge, GraphNode
from ..workflow.progress import STATES, WorkflowProgress
from .output import COLOURS, console, fitted, no_worker, shown
from .secrets import safe

COLUMNS = ("task", "nodes", *STATES, "mean_seconds")  # of the summary of a large workflow
BAR_WIDTH = 20
DEEPEST = 12  # levels of a tree; a deeper graph is shown as its generations
NAMED = 4  # parents or children that a line names


def bar(done: int, of: int, status: str) -> Text:
    """The part that is over, as a bar and in percent; 100 % only when all nodes are over."""
    full, empty = ("#", "-") if console().options.ascii_only else ("█", "░")
    filled = BAR_WIDTH * done // max(of, 1)
    colour = COLOURS.get(status, "")
    return Text.assemble((full * filled, colour), (empty * (BAR_WIDTH - filled), "dim"), f" {100 * done // max(of, 1):3d}%")


def line(now: WorkflowProgress) -> Text:
    """The progress in one line."""
    counts = ", ".join(f"{count:,} {state}" for state, count in now.counts.items() if count)
    return Text.assemble(
        "workflow ", str(now.id), " ", shown(now.status), f": {now.nodes - now.open:,} of {now.nodes:,} over; {counts}"
    )


def header(now: WorkflowProgress) -> Group:
    """The name of the workflow, a bar, the number of jobs in each state, and its times."""
    counts = (Text.assemble(f"{count:,} ", (state, COLOURS.get(state, ""))) for state, count in now.counts.items() if count)
    times = [f"added {shown(now.created_at)}"]
    if now.finished_at is not None:
        times.append(f"over after {shown(now.finished_at - now.created_at)}")
    if now.cancelled_at is not None:
        times.append(f"cancelled {shown(now.cancelled_at)}")
    if now.repairs:
        times.append(f"repaired {now.repairs} times")
    missing = [Text(safe(f"its callback is missing: {now.callback_error}"), "red")] if now.callback_error else []
    return Group(
        Text("  ").join([Text(f"workflow {now.id}", "bold"), *([_plain(now.name)] if now.name else []), shown(now.status)]),
        Text.assemble(bar(now.nodes - now.open, now.nodes, now.status), "  ", Text(", ").join(counts)),
        Text(", ".join(times), "dim"),
        *missing,
    )


def tree(graph: Graph, unknown: Mapping[int, datetime]) -> Tree:
    """Each node once, below one of its parents; the node and its other parents name each other. A deep graph by generations.

    Args:
        graph: the graph of the workflow.
        unknown: since when no worker has the task of a waiting job, by job id.
    """
    top = Tree("", hide_root=True)
    if len(graph.generations) > DEEPEST:
        labels = _Labels(graph, {}, unknown)
        for number, wave in enumerate(graph.generations, start=1):
            branch = top.add(Text(f"generation {number}", "bold"))
            for node in wave:
                branch.add(labels.of(node))
        return top
    home = _homes(graph)
    labels, places = _Labels(graph, home, unknown), dict[int, Tree]()
    for node in (node for wave in graph.generations for node in wave):
        below = places[home[node.id]] if node.id in home else top
        places[node.id] = below.add(labels.of(node))
    return top


def summary(tasks: Sequence[dict[str, Any]], failures: Sequence[dict[str, Any]], failed: int) -> Group:
    """The number of nodes of each task in each state, and the first dead letters."""
    rows: dict[str, dict[str, Any]] = {}
    for found in tasks:
        row = rows.setdefault(found["task"], {"task": found["task"], "nodes": 0, "mean_seconds": None} | dict.fromkeys(STATES))
        row["nodes"] += found["nodes"]
        row[found["state"]] = found["nodes"]
        if found["state"] == "succeeded":
            row["mean_seconds"] = found["mean_seconds"]
    present = [state for state in STATES if any(row[state] for row in rows.values())]
    columns = [name for name in COLUMNS if name not in STATES or name in present]
    parts = list(fitted(list(rows.values()), columns, spare=("mean_seconds", *(state for state in present if state != "failed"))))
    parts += [_plain(f"job #{one['id']} {one['name'] or one['task']}: {_error(one)}", "red") for one in failures]
    if failed > len(failures):
        parts.append(Text(f"and {failed - len(failures):,} more dead letters: pgqueue dead", "dim"))
    return Group(*parts)


def _homes(graph: Graph) -> dict[int, int]:
    """The parent below which each node is shown: the deepest parent, or the last of several."""
    depth = {node.id: number for number, wave in enumerate(graph.generations) for node in wave}
    return {
        node.id: max(reversed(edges), key=lambda edge: depth[edge.parent]).parent
        for node in graph.nodes
        if (edges := graph.parents(node.id))
    }


class _Labels:
    """The lines of nodes.

    Args:
        graph: the graph of the nodes.
        home: the parent below which each node is shown; empty if no node is shown below a parent.
        unknown: see `tree`.
    """

    def __init__(self, graph: Graph, home: dict[int, int], unknown: Mapping[int, datetime]) -> None:
        self._graph, self._home, self._unknown = graph, home, unknown
        self._elsewhere: dict[int, list[int]] = {}
        for edge in graph.edges:
            if home.get(edge.child) != edge.parent:
                self._elsewhere.setdefault(edge.parent, []).append(edge.child)

    def of(self, node: GraphNode) -> Text:
        """The line of a node, with its error in a second line."""
        task = "" if node.name in (None, node.task) else f" ({_plain(node.task)})"
        parts: list[Any] = [(str(_plain(node.label)), "bold"), f"{task} ", (f"#{node.id} ", "dim"), shown(node.state)]
        if node.elapsed is not None:
            parts.append(f" {shown(float(node.elapsed))}")
        if node.attempt and node.attempt > 1:
            parts.append(f" attempt {node.attempt}")
        if node.id in self._unknown:
            parts.append((f"  {no_worker(self._unknown[node.id])}", "yellow"))
        if note := self._note(node):
            parts.append((f"  {note}", "dim"))
        if node.error and node.state != "succeeded":
            parts.append((f"\n  {_plain(_error(node.error))}", "red" if node.state == "failed" else "dim"))
        return Text.assemble(*parts, overflow="fold")

    def _note(self, node: GraphNode) -> str:
        """Facts that the tree does not show: several parents, policies, children that are shown elsewhere."""
        edges, elsewhere = self._graph.parents(node.id), self._elsewhere.get(node.id)
        notes = []
        if len(edges) > 1 or any(edge.when != "succeeded" or not self._home for edge in edges):
            notes.append(f"after {self._parents(edges)}")
        if elsewhere:
            notes.append(f"-> {_some([_name(self._graph.by_id[child]) for child in elsewhere])}")
        return ", ".join(notes)

    def _parents(self, edges: list[GraphEdge]) -> str:
        """Parents by policy: "a, b, c if finished"."""
        names: dict[str, list[str]] = {}
        for edge in edges:
            names.setdefault(edge.when, []).append(_name(self._graph.by_id[edge.parent]))
        return ", ".join(_some(some) + ("" if when == "succeeded" else f" if {when}") for when, some in names.items())


def _name(node: GraphNode) -> str:
    return str(_plain(node.name or f"#{node.id}"))


def _some(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _error(error: dict[str, Any]) -> str:
    return f"{error.get('type') or error.get('error_type')}: {error.get('message') or error.get('error_message') or ''}"


def _plain(text: str, style: str = "") -> Text:
    """Text of a user in one line, without control characters."""
    return Text(safe(" ".join(text.split())) if text.strip() else text, style)
