"""Pools in tests of SQL functions: calls by name, and agents that are there."""

import json
import uuid
from typing import Any

from .conftest import Sql


def make_pool(sql: Sql, name: str = "mail", app: str = "shop.jobs:app", **values: Any) -> None:
    """make_pool() with named arguments."""
    call(sql, "make_pool", name, app=app, **values)


def call(sql: Sql, verb: str, name: str, **values: Any) -> Any:
    """A verb of pools with named arguments; what it returns."""
    named = "".join(f", {field} => %s" for field in values)
    return sql.value(f"select {verb}(%s{named})", name, *(json.dumps(v) if isinstance(v, dict) else v for v in values.values()))


def pool(sql: Sql, name: str = "mail") -> dict[str, Any]:
    """The row of a pool; {} when there is none."""
    rows = sql.rows("select * from pool where name = %s", name)
    return rows[0] if rows else {}


def events(sql: Sql, name: str = "mail") -> list[tuple[str, int | None, int | None]]:
    """What was noted of a pool: kind, and the numbers wanted before and after."""
    rows = sql.rows("select kind, before, after from pool_event where pool = %s order by id", name)
    return [(row["kind"], row["before"], row["after"]) for row in rows]


def agent(sql: Sql, name: str = "mail", slots: int = 2, **values: Any) -> uuid.UUID:
    """An agent of a pool that is alive, unless its values say otherwise."""
    id = uuid.uuid4()
    row = {"id": str(id), "pool": name, "name": "h", "host": "h", "pid": 1, "version": "0", "slots": slots, "lease": "30 s"}
    row |= values
    sql.rows(
        "insert into agent select (jsonb_populate_record(null::agent, jsonb_build_object("
        "'draining', false, 'occupied', 0, 'started_at', clock_timestamp(), 'heartbeat_at', clock_timestamp()) || %s)).* "
        "returning id",
        json.dumps(row),
    )
    return id


def slot(sql: Sql, number: int, holder: uuid.UUID | None = None, name: str = "mail", **values: Any) -> None:
    """A slot of a pool, held by an agent or free."""
    row = {"pool": name, "slot": number, "agent_id": str(holder) if holder else None, "generation": 1} | values
    sql.rows("insert into pool_slot select (jsonb_populate_record(null::pool_slot, %s)).* returning slot", json.dumps(row))


def worker(sql: Sql, number: int, name: str = "mail", queues: tuple[str, ...] = ("default",), **values: Any) -> uuid.UUID:
    """A worker that fills a slot of a pool."""
    id = sql.worker(queues=queues)
    row = {"pool": name, "slot": number, "generation": 1} | values
    sql.rows(
        f"update worker set ({', '.join(row)}) = row({', '.join(['%s'] * len(row))}) where id = %s returning id",
        *row.values(),
        id,
    )
    return id
