"""Workflows in tests: submitted, claimed, finished and looked at; and transactions that may have to wait for each other."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from .background import Background
from .conftest import Sql

OpenSql = Callable[[], Sql]
Node = dict[str, Any]

LEVELS = ["read committed", "repeatable read"]
POLICIES = ["succeeded", "finished", "failed"]
SUCCEEDED: Node = {"state": "succeeded"}
DEAD: Node = {"state": "failed", "final": True}
FINISH = "select * from finish_batch(%s, null)"  # what finish does, but it waits as long as the test needs


class Flow(NamedTuple):
    """A workflow and its jobs in the order in which they were given."""

    id: int
    jobs: list[int]


def node(name: str | None = None, *after: str | int | Node, **options: Any) -> Node:
    """One element of `nodes`."""
    return {"task": "noop", "name": name, "after": list(after), **options}


def when(parent: str | int, policy: str) -> Node:
    """A parent with a policy."""
    return {"node": parent, "when": policy}


def submit(sql: Sql, *nodes: Node, **options: Any) -> Flow:
    """A new workflow."""
    named = "".join(f", {name} => %s" for name in options)
    given = [json.dumps(value) if isinstance(value, dict) else value for value in options.values()]
    (row,) = sql.rows(f"select * from enqueue_workflow(%s{named})", json.dumps(nodes), *given)
    return Flow(row["workflow_id"], row["job_ids"])


def extend(sql: Sql, flow: int, *nodes: Node) -> list[int]:
    """More nodes."""
    return list(sql.value("select extend_workflow(%s, %s)", flow, json.dumps(nodes)))


def claim_all(sql: Sql) -> tuple[UUID, list[int]]:
    """Everything ready, claimed by a new worker."""
    token, rows = sql.claim(sql.worker(), 100_000)
    return token, [row["id"] for row in rows]


def outcomes(token: UUID, ids: list[int], outcome: Node = SUCCEEDED) -> str:
    """The same outcome for jobs of one claim."""
    return json.dumps([{"id": id, "token": str(token), **outcome} for id in ids])


def finish(sql: Sql, token: UUID, ids: list[int], outcome: Node = SUCCEEDED) -> list[str]:
    """The verdicts of finish()."""
    return [row["verdict"] for row in sql.finish(token, *({"id": id, **outcome} for id in ids))]


def states(sql: Sql, *ids: int) -> list[str]:
    """The states of nodes."""
    rows = sql.rows("select job_id, state::text from workflow_node where job_id = any (%s)", list(ids))
    found = {row["job_id"]: row["state"] for row in rows}
    return [found[id] for id in ids]


def outcome_of(sql: Sql, flow: int) -> str | None:
    """How a workflow has ended, None while it has not."""
    outcome: str | None = sql.value("select outcome::text from workflow where id = %s", flow)
    return outcome


def drift(sql: Sql) -> list[dict[str, Any]]:
    """What workflow_drift() finds: never anything."""
    return sql.rows("select * from workflow_drift()")


class Session:
    """A transaction beside the test. One that gets 40001 is repeated, as a client repeats it."""

    def __init__(self, sql: Sql, watcher: Sql, level: str) -> None:
        self.sql = sql
        self.repeats = 0
        self._watcher = watcher
        self._level = level
        self._call: Background | None = None
        self._statement: tuple[Any, ...] = ()

    def begin(self) -> None:
        """Take a snapshot that the transaction keeps, if its level keeps one."""
        self.sql.rows(f"begin isolation level {self._level}")
        self.sql.rows("select from job limit 1")

    def start(self, query: str, *params: Any) -> bool:
        """Begin a statement; whether it has to wait."""
        self._statement = (query, *params)
        self._call = Background(self.sql, query, *params)
        return self._call.is_blocked(self._watcher)

    def result(self) -> list[dict[str, Any]]:
        """What the statement returns once it need not wait any longer."""
        assert self._call is not None
        call, self._call = self._call, None
        try:
            return call.rows()
        except psycopg.errors.SerializationFailure:
            assert self._level != "read committed"
            self.repeats += 1
            self.rollback()
            self.begin()
            waits = self.start(*self._statement)
            assert not waits, "repeated, the statement still waits"
            return self.result()

    def do(self, query: str, *params: Any) -> list[dict[str, Any]]:
        """A statement that must not wait."""
        assert not self.start(query, *params), f"{query} waits for somebody's lock"
        return self.result()

    def commit(self) -> None:
        """End well."""
        self.sql.rows("commit")

    def rollback(self) -> None:
        """End as if nothing had been."""
        self.sql.rows("rollback")

    @property
    def is_busy(self) -> bool:
        """A statement runs whose result nobody has asked for."""
        return self._call is not None

    def close(self) -> None:
        """Whatever was going on."""
        if self._call is not None:
            with suppress(psycopg.Error):
                self._call.rows()
        self.rollback()


@contextmanager
def two_sessions(sql: Sql, open_sql: OpenSql, level: str = LEVELS[0]) -> Iterator[tuple[Session, Session]]:
    """Two sessions that have not begun; afterwards none holds or waits for anything."""
    one, two = Session(open_sql(), sql, level), Session(open_sql(), sql, level)
    try:
        yield one, two
    finally:
        for session in sorted((one, two), key=lambda session: session.is_busy):
            session.close()
