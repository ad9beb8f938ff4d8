"""Agents of a pool, without their processes: what their workers would have registered is written as rows."""

import json
import uuid
from collections import Counter
from typing import Any
from uuid import UUID

from .conftest import Sql

LEASE = "30 s"


class Turn(dict[str, Any]):
    """What a turn has answered."""

    @property
    def slots(self) -> dict[int, dict[str, Any]]:
        """The slots that the agent holds, by number."""
        return {slot["slot"]: slot for slot in self["slots"]}

    @property
    def staying(self) -> list[int]:
        """The numbers of those that it is not told to leave."""
        return [number for number, slot in self.slots.items() if slot["leaving"] is None]

    @property
    def leaving(self) -> list[int]:
        """The numbers of the others."""
        return [number for number, slot in self.slots.items() if slot["leaving"]]


def make_pool(sql: Sql, wanted: int, name: str = "mail", **columns: Any) -> None:
    """A pool with a row of its own."""
    fields = {"name": name, "app": "jobs:app", "wanted": wanted, "minimum": 0, "maximum": 10_000, **columns}
    sql.rows(f"insert into pool ({', '.join(fields)}) values ({', '.join(['%s'] * len(fields))})", *fields.values())


def change(sql: Sql, name: str = "mail", **columns: Any) -> None:
    """Change columns of a pool."""
    sql.rows(f"update pool set {', '.join(f'{column} = %s' for column in columns)} where name = %s", *columns.values(), name)


def agent(sql: Sql, host: str = "a", slots: int = 10, pool: str = "mail", lease: str = LEASE) -> UUID:
    """A registered agent's id."""
    id = uuid.uuid4()
    sql.value("select register_agent(%s, %s, %s, %s, 1, '0', %s, %s::interval)", id, pool, f"agent-{host}", host, slots, lease)
    return id


def turn(sql: Sql, agent: UUID, ended: list[int] | None = None, occupied: int = 0, draining: bool = False) -> Turn:
    """One turn; PQ002 when its lease has ended."""
    (row,) = sql.rows("select * from agent_turn(%s, %s::int[], %s, %s)", agent, ended or [], occupied, draining)
    return Turn(row)


def start_workers(sql: Sql, agent: UUID, running: int = 0, pool: str = "mail") -> None:
    """The workers of all slots of an agent that have none of their generation register; `running`: their handlers."""
    sql.rows(
        "insert into worker (id, name, host, pid, version, queues, concurrency, lease, started_at, heartbeat_at, running, "
        "                    pool, slot, generation) "
        "select gen_random_uuid(), 'w', 'h', 1, '0', '{default}', 10, '30 s', clock_timestamp(), clock_timestamp(), %s, "
        "       s.pool, s.slot, s.generation from pool_slot s where s.agent_id = %s "
        "   and not exists (select from worker w where w.pool = s.pool and w.slot = s.slot and w.generation = s.generation)",
        running,
        agent,
    )


def end_workers(sql: Sql, slots: list[int], pool: str = "mail") -> None:
    """The workers of these slots have ended."""
    sql.rows("delete from worker where pool = %s and slot = any (%s)", pool, slots)


def lose(sql: Sql, *agents: UUID) -> None:
    """Time travel: these agents have missed their lease."""
    sql.rows("update agent set heartbeat_at = heartbeat_at - 2 * lease where id = any (%s)", list(agents))


def holders(sql: Sql, pool: str = "mail") -> dict[int, UUID | None]:
    """Who holds each slot that stays."""
    rows = sql.rows("select slot, agent_id from pool_slot where pool = %s and leaving is null order by slot", pool)
    return {row["slot"]: row["agent_id"] for row in rows}


def by_host(sql: Sql, pool: str = "mail") -> dict[str, int]:
    """How many slots that stay each host holds."""
    rows = sql.rows(
        "select a.host from pool_slot s join agent a on a.id = s.agent_id where s.pool = %s and s.leaving is null", pool
    )
    return dict(sorted(Counter(row["host"] for row in rows).items()))


def events(sql: Sql, pool: str = "mail") -> list[str]:
    """The kinds of the events of a pool, in order."""
    return [row["kind"] for row in sql.rows("select kind from pool_event where pool = %s order by id", pool)]


def settle(sql: Sql, *agents: UUID, running: int = 0) -> None:
    """Turns and starts of workers until nothing changes any more."""
    for _ in range(100):
        before = _picture(sql)
        for each in agents:
            leaving = turn(sql, each).leaving
            end_workers(sql, leaving)
            turn(sql, each, ended=leaving)
            start_workers(sql, each, running)
        if _picture(sql) == before:
            return
    raise AssertionError("the slots never come to rest")


def _picture(sql: Sql) -> str:
    return json.dumps(sql.rows("select pool, slot, agent_id, generation, leaving from pool_slot order by 1, 2"), default=str)
