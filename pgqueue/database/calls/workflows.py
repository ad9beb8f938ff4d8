"""Workflows, their nodes and the parents of nodes; see sql/functions/workflows."""

from typing import LiteralString, NamedTuple

from ..acting import actor
from ..call import ALWAYS, WHOLE, Call, Keys, Records, Rows, all_rows, records, within_by_size

_WORKFLOW: tuple[LiteralString, ...] = (
    "id", "name", "status", "nodes", "open", "blocked", "scheduled", "ready", "running", "succeeded", "failed", "cancelled",
    "skipped", "created_at", "finished_at", "cancelled_at", "repairs", "callback_error",
)  # fmt: skip
_NODE: tuple[LiteralString, ...] = (
    "job_id", "name", "task", "queue", "state", "waits_for", "attempt", "elapsed", "reason", "error", "progress", "created_at",
    "started_at", "ended_at",
)  # fmt: skip
_SELECT_WORKFLOWS: LiteralString = "select " + ", ".join(_WORKFLOW) + " from {schema}.workflow_progress "
_COUNTS: LiteralString = "blocked, scheduled, ready, running, succeeded, failed, cancelled, skipped"
_SELECT_UNCOUNTED: LiteralString = (
    "select * from (select w.*, coalesce(w.outcome::text, 'running') as status from {schema}.workflow w) w "
)
# Figures of `workflow_progress` for a page, but only of what is not too large; the others are counted by nobody.
_WITH_BOUNDED: LiteralString = (
    " left join lateral (select " + _COUNTS + " from {schema}.workflow_progress p "
    "where p.id = w.id and w.nodes <= %s::int offset 0) s on true order by id desc"
)
_SHAPE: tuple[LiteralString, ...] = (
    "id", "kind", "name", "task", "tasks", "nodes", "blocked", "scheduled", "ready", "running", "succeeded", "failed",
    "cancelled", "skipped", "after", "run_if", "edges",
)  # fmt: skip
_SELECT_NODES: LiteralString = "select " + ", ".join(_NODE) + " from {schema}.workflow_nodes "


class ParentRow(NamedTuple):
    """A parent as the SQL function `parents` returns it, with JSON as text."""

    id: int
    name: str | None
    task: str
    state: str
    result: str | None
    error: str | None
    expired: bool = False
    withheld: bool = False


class AddedWorkflow(NamedTuple):
    """The workflow that enqueue_workflow has added, its jobs in the order of the nodes, and the jobs of its last nodes."""

    id: int
    job_ids: list[int]
    last: list[int]


def enqueue_workflow(
    nodes: str, name: str | None, on_success: str | None, on_failure: str | None, trace: str | None = None
) -> Call[AddedWorkflow]:
    """Add a workflow of these nodes (a JSON array). The callbacks to enqueue at its end are JSON, too; so is the trace of all."""
    return Call(
        "select w.workflow_id, w.job_ids, {schema}.last_nodes(w.workflow_id) "
        "from {schema}.enqueue_workflow(%s::text::jsonb, %s::text, %s::text::jsonb, %s::text::jsonb, %s::text::jsonb) w",
        (nodes, name, on_success, on_failure, trace),
        lambda rows: AddedWorkflow(int(rows[0][0]), *(list(map(int, ids)) for ids in rows[0][1:])),
        within=within_by_size(nodes),
    )


def cancel_workflow(workflow_id: int) -> Call[int]:
    """Cancel the jobs that have not started, and ask running jobs to stop. Returns how many were cancelled."""
    return Call(
        "select {schema}.cancel_workflow(%s::bigint, %s::text)",
        (workflow_id, actor()),
        lambda rows: int(rows[0][0]),
        within=WHOLE,
    )


def retry_workflow(workflow_id: int) -> Call[int]:
    """Run the dead letters of a workflow again. Returns how many."""
    return Call(
        "select {schema}.retry_workflow(%s::bigint, %s::text)", (workflow_id, actor()), lambda rows: int(rows[0][0]), within=WHOLE
    )


def progress(workflow_id: int) -> Call[Records]:
    """The progress of a workflow, as a list of at most one."""
    return Call(_SELECT_WORKFLOWS + "where id = %s::bigint", (workflow_id,), records(*_WORKFLOW), repeat_within=ALWAYS)


def workflows(
    status: str | None, before: Keys, limit: int, name: str | None = None, count_up_to: int | None = None
) -> Call[Records]:
    """Workflows with their progress, the newest first.

    Args:
        status: None = any.
        before: the id of the last one of the page before.
        limit: how many.
        name: only those whose name contains this text, in upper or lower case; None = any.
        count_up_to: of larger ones the nodes are not counted by state: None; None = all are counted.
    """
    named = "and strpos(lower(name), lower(%s::text)) > 0 " if name is not None else ""
    which: LiteralString = (
        "where id < coalesce(%s::text::bigint, 9223372036854775807) and (%s::text is null or status = %s) "
        + named
        + "order by id desc limit %s::int"
    )
    params = (before[0], status, status, *([] if name is None else [name]), limit)
    if count_up_to is None:
        statement = _SELECT_WORKFLOWS + which
    else:  # of the page, and of no other one
        statement = "select " + ", ".join(_WORKFLOW) + " from (" + _SELECT_UNCOUNTED + which + ") w" + _WITH_BOUNDED
        params = (*params, count_up_to)
    return Call(
        statement,
        params,
        records(*_WORKFLOW),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def nodes(workflow_id: int, after: Keys = (None,), limit: int | None = None) -> Call[Records]:
    """The nodes of a workflow in the order in which they were added.

    Args:
        workflow_id: the workflow.
        after: the id of the job of the last node of the page before.
        limit: how many; None = all.
    """
    return Call(
        _SELECT_NODES + "where workflow_id = %s::bigint and job_id > coalesce(%s::text::bigint, 0) order by job_id limit %s::int",
        (workflow_id, after[0], limit),
        records(*_NODE),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def nodes_in(workflow_id: int, after: Keys, limit: int, state: str | None = None, task: str | None = None) -> Call[Records]:
    """The nodes of a workflow in a state, or of a task, in the order in which they were added.

    Args:
        workflow_id: the workflow.
        after: the id of the job of the last node of the page before.
        limit: how many.
        state: one of jobs, or skipped; None = any.
        task: None = any.
    """
    return Call(
        _SELECT_NODES  # the jobs of all nodes are not looked at for a page of them
        + "where workflow_id = %s::bigint and job_id = any (array(select n.job_id from {schema}.workflow_node n "
        "where n.workflow_id = %s::bigint and n.job_id > coalesce(%s::text::bigint, 0) and (%s::text is null or n.task = %s) "
        "and (%s::text is null or n.state::text = %s or (n.state = 'live' and exists ("
        "select from {schema}.job j where j.id = n.job_id and j.state::text = %s))) "
        "order by n.job_id limit %s::int)) order by job_id",
        (workflow_id, workflow_id, after[0], task, task, state, state, state, limit),
        records(*_NODE),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def shape(workflow_id: int, most: int) -> Call[Records]:
    """A workflow as at most so many boxes with the edges between them; see sql/functions/workflows/workflow_shape.sql."""
    return Call(
        "select " + ", ".join(_SHAPE) + " from {schema}.workflow_shape(%s::bigint, %s::int)",
        (workflow_id, most),
        records(*_SHAPE),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def edges(workflow_id: int) -> Call[Records]:
    """The edges of a workflow; the edges of a child are in the order in which it names its parents."""
    return Call(
        "select e.parent_id, e.child_id, e.run_if::text from {schema}.workflow_node n, "  # edges have no index by workflow
        "lateral (select * from {schema}.workflow_edge where child_id = n.job_id offset 0) e "
        "where n.workflow_id = %s::bigint order by e.child_id, e.position",
        (workflow_id,),
        records("parent_id", "child_id", "run_if"),
        within=WHOLE,
        repeat_within=ALWAYS,
    )


def last_nodes(workflow_id: int) -> Call[list[int]]:
    """The jobs whose results are the workflow's result, in the order of adding; see sql/functions/workflows/last_nodes.sql."""
    return Call("select {schema}.last_nodes(%s::bigint)", (workflow_id,), lambda rows: list(rows[0][0]), repeat_within=ALWAYS)


def relatives(job_id: int, most: int) -> Call[Records]:
    """The parents and the children of a node, at most so many of each, with their states; of a plain job none."""
    return Call(
        "select kind, id, name, task, queue, state, run_if from {schema}.relatives(%s::bigint, %s::int)",
        (job_id, most),
        records("kind", "id", "name", "task", "queue", "state", "when"),
        repeat_within=ALWAYS,
    )


def parents(job_ids: list[int]) -> Call[Rows]:
    """The parents of jobs: the id of the child, then the fields of `ParentRow`."""
    return Call(
        "select child_id, parent_id, name, task, state, result::text, error::text, expired, withheld from {schema}.parents(%s)",
        (job_ids,),
        all_rows,
        repeat_within=ALWAYS,
    )
