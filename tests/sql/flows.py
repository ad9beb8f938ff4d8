"""Workflows for the tests: written down in one line, run node by node, looked at by name."""

import json
import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from .conftest import Sql

TABLES = (
    "job", "job_history", "dead_letter", "job_result", "unique_hold", "workflow", "workflow_node", "workflow_edge",
)  # fmt: skip


@dataclass
class Flow:
    """A workflow and the ids of its jobs, by name."""

    sql: Sql
    id: int
    jobs: dict[str, int]

    def __getitem__(self, name: str) -> int:
        return self.jobs[name]

    def run(self, name: str, state: str = "succeeded", **outcome: Any) -> list[dict[str, Any]]:
        """Run this node and end it so; a failure is final."""
        return end(self.sql, self.jobs[name], state, **outcome)

    def states(self) -> dict[str, str]:
        """The state of each node that has a name."""
        rows = self.sql.rows("select name, state from workflow_nodes where workflow_id = %s and name is not null", self.id)
        return {row["name"]: row["state"] for row in rows}

    def progress(self) -> dict[str, Any]:
        """Its row in the view."""
        (row,) = self.sql.rows("select * from workflow_progress where id = %s", self.id)
        return row

    @property
    def status(self) -> str:
        """The word for the whole."""
        return str(self.progress()["status"])

    def extend(self, *nodes: dict[str, Any]) -> list[int]:
        """Add nodes; those that have a name are known by it."""
        ids: list[int] = self.sql.value("select extend_workflow(%s, %s)", self.id, json.dumps(nodes))
        self.jobs |= {node["name"]: id for node, id in zip(nodes, ids, strict=True) if "name" in node}
        return ids


def node(name: str, *after: Any, **options: Any) -> dict[str, Any]:
    """A node whose task is called like itself."""
    return {"task": name, "name": name, **({"after": list(after)} if after else {}), **options}


def start(sql: Sql, *nodes: dict[str, Any], **options: Any) -> Flow:
    """A new workflow."""
    named = "".join(f", {option} => %s" for option in options)
    (row,) = sql.rows(f"select * from enqueue_workflow(%s{named})", json.dumps(nodes), *options.values())
    names = [given.get("name", str(place)) for place, given in enumerate(nodes, 1)]
    return Flow(sql, row["workflow_id"], dict(zip(names, row["job_ids"], strict=True)))


def claim(sql: Sql, *ids: int) -> tuple[UUID, list[dict[str, Any]]]:
    """Claim exactly these jobs."""
    token = uuid.uuid4()
    rows = sql.rows("select * from claim_jobs(%s, %s, %s)", sql.worker(), token, list(ids))
    assert sorted(row["id"] for row in rows) == sorted(ids), f"not all of {ids} were ready"
    return token, rows


def end(sql: Sql, id: int, state: str = "succeeded", **outcome: Any) -> list[dict[str, Any]]:
    """Claim this job and end it so; a failure is final."""
    token, _ = claim(sql, id)
    return sql.finish(token, {"id": id, "state": state, "final": True, **outcome})


def workflow_of(sql: Sql, id: int) -> Flow:
    """The workflow of a job that was adopted."""
    return Flow(sql, sql.value("select workflow_id from jobs where id = %s", id), {})


def everything(sql: Sql) -> dict[str, Any]:
    """All rows of all tables that a workflow writes."""
    return {table: sql.value(f"select jsonb_agg(to_jsonb(t) order by to_jsonb(t)) from {table} t") for table in TABLES}


def refused(sql: Sql, query: str, *params: Any) -> tuple[str | None, str]:
    """The SQLSTATE and the message of a refusal that has written nothing."""
    before = everything(sql)
    error = sql.refusal(query, *params)
    assert everything(sql) == before
    return error.sqlstate, str(error.diag.message_primary)
