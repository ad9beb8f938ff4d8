"""What a statement really did: the plans of the statements inside a function, and the buffers it touched."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.errors import Diagnostic

from .conftest import Sql

SCANS = ("SEQSCAN", "INDEXSCAN", "INDEXONLYSCAN", "BITMAPHEAPSCAN", "TIDSCAN", "SAMPLESCAN")


@dataclass
class Plans:
    """The plans made while a connection was watched."""

    trees: list[str] = field(default_factory=list)

    def nodes(self, *names: str) -> list[str]:
        """The plan nodes of these kinds with all below them."""
        found = []
        for tree in self.trees:
            for start in re.finditer(rf"\{{(?:{'|'.join(names)})\b", tree):
                found.append(_subtree(tree, start.start()))
        return found

    def sorted_tables(self) -> list[str]:
        """Sorts of anything read from a table: a sort of a function's few rows is none."""
        sorts = self.nodes("SORT", "INCREMENTALSORT")
        return [sort for sort in sorts if any("{" + scan in sort for scan in SCANS)]

    def indexes(self, connection: Connection[Any]) -> set[str]:
        """The names of all indexes that are scanned."""
        oids = [int(oid) for tree in self.trees for oid in re.findall(r":indexid (\d+)", tree)]
        rows = connection.execute("select relname from pg_class where oid = any (%s)", [oids]).fetchall()
        return {row[0] for row in rows}


def _subtree(tree: str, start: int) -> str:
    depth = 0
    for brace in re.finditer(r"(?<!\\)[{}]", tree[start:]):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return tree[start : start + brace.end()]
    raise ValueError("unbalanced plan tree")


def plans_of(sql: Sql, query: str, *params: Any) -> Plans:
    """The plans that a statement makes, those of statements inside functions included: on a new connection all of them."""
    plans = Plans()

    def note(notice: Diagnostic) -> None:
        if notice.message_primary == "plan:":
            plans.trees.append(str(notice.message_detail))

    sql.connection.add_notice_handler(note)
    sql.rows("set client_min_messages = log")
    sql.rows("set debug_print_plan = on")
    sql.rows(query, *params)
    sql.rows("set debug_print_plan = off")
    sql.connection.remove_notice_handler(note)
    return plans


def buffers_of(sql: Sql, query: str, *params: Any) -> int:
    """The buffers that a statement touches, those of statements inside functions included; catalogs are read before."""
    with sql.connection.transaction(force_rollback=True):
        sql.rows(query, *params)
    (explained,) = sql.value(f"explain (analyze, buffers, format json) {query}", *params)
    plan = explained["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def kept_entries(sql: Sql, another_sql: Callable[[], Sql], jobs: int) -> UUID:
    """So many jobs were claimed a minute ago and have ended, while somebody holds a snapshot. Returns their worker."""
    holder = another_sql()
    holder.rows("begin isolation level repeatable read")
    holder.rows("select from pg_class limit 1")
    worker = sql.worker()
    sql.rows(
        """insert into job (run_at, created_at, claimed_at, state, task, worker_id, claim_token)
           select t, t, t, 'running', 'noop', %s, gen_random_uuid()
             from generate_series(1, %s), lateral (select clock_timestamp() - interval '1 minute' as t) t""",
        worker,
        jobs,
    )
    sql.rows("delete from job")
    return worker
