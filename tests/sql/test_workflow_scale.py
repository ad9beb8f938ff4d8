"""FAULTS 41: wide and deep workflows cost in proportion to their nodes. Told by comparing sizes; the costs are printed."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import Sql
from .workflow_steps import DEAD, Flow, Node, OpenSql, claim_all, finish, node, outcome_of, outcomes

pytestmark = pytest.mark.one_postgres

SMALL, LARGE = 1000, 10_000
GROWTH = {"blocks": 1.5, "seconds": 3.0}  # times what ten times as much may cost at most; quadratic would be ten times ten
SLACK = {"blocks": 100.0, "seconds": 0.2}


class Meter:
    """What was done and what it cost: blocks of tables and indexes, and seconds of the server's processor.

    Neither counts what else the machine does. Comparing each row in memory with each other one costs no blocks.
    """

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self.costs: dict[tuple[str, str], float] = {}

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        with self._sql.connection.transaction():  # whose counters nobody else adds to
            before = self._read()
            yield
            for unit, now in self._read().items():
                self.costs[what, unit] = self.costs.get((what, unit), 0.0) + now - before[unit]

    def _read(self) -> dict[str, float]:
        blocks = self._sql.value("select sum(pg_stat_get_xact_blocks_fetched(oid)) from pg_class where oid >= 16384")
        return {"blocks": float(blocks), "seconds": processor_seconds(self._sql.connection.info.backend_pid)}


def processor_seconds(pid: int) -> float:
    """What a process on this machine has used; 0 for what runs elsewhere."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists() or "(postgres)" not in (text := stat.read_text()):
        return 0.0
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def submit(sql: Sql, nodes: list[Node]) -> Flow:
    """A workflow of nodes without names."""
    (row,) = sql.rows("select * from enqueue_workflow(%s)", json.dumps(nodes))
    return Flow(row["workflow_id"], row["job_ids"])


def fan_out(sql: Sql, size: int, cost: Meter) -> None:
    """One parent, so many children."""
    with cost("submit"):
        flow = submit(sql, [node(), *(node(None, 1) for _ in range(size))])
    token, claimed = claim_all(sql)
    with cost("release"):
        assert finish(sql, token, claimed) == []
    with cost("claim"):
        token, claimed = claim_all(sql)
    assert claimed == flow.jobs[1:]
    for start in range(0, size, 100):
        with cost("finish"):
            assert finish(sql, token, claimed[start : start + 100]) == []
    assert outcome_of(sql, flow.id) == "succeeded"


def fan_in(sql: Sql, size: int, cost: Meter) -> None:
    """So many parents, one child."""
    with cost("submit"):
        flow = submit(sql, [*(node() for _ in range(size)), node(None, *range(1, size + 1))])
    token, claimed = claim_all(sql)
    for start in range(0, size, 100):
        with cost("finish"):
            assert finish(sql, token, claimed[start : start + 100], {"state": "succeeded", "result": 1}) == []
    token, claimed = claim_all(sql)
    assert claimed == flow.jobs[-1:]
    with cost("parents"):
        assert len(sql.rows("select * from parents(%s)", claimed)) == size
    finish(sql, token, claimed)
    assert outcome_of(sql, flow.id) == "succeeded"


def dead_fan_in(sql: Sql, size: int, cost: Meter) -> None:
    """So many parents that fail, and one child; all are retried."""
    flow = submit(sql, [*(node() for _ in range(size)), node(None, *range(1, size + 1))])
    token, claimed = claim_all(sql)
    with cost("fail"):
        assert set(finish(sql, token, claimed, DEAD)) == {"dead_letter"}
    assert outcome_of(sql, flow.id) == "failed"
    with cost("retry"):
        assert sql.value("select retry_workflow(%s)", flow.id) == size
    with cost("cancel"):
        assert sql.value("select cancel_workflow(%s)", flow.id) == size + 1


def dead_fan_out(sql: Sql, size: int, cost: Meter) -> None:
    """One parent that fails, so many children."""
    flow = submit(sql, [node(), *(node(None, 1) for _ in range(size))])
    token, claimed = claim_all(sql)
    with cost("fail"):
        assert finish(sql, token, claimed, DEAD) == ["dead_letter"]
    assert outcome_of(sql, flow.id) == "failed"
    with cost("retry"):
        assert sql.value("select retry_workflow(%s)", flow.id) == 1
    sql.value("select cancel_workflow(%s)", flow.id)


def chain(sql: Sql, size: int, cost: Meter) -> None:
    """So deep; it fails at its head and is retried."""
    with cost("submit"):
        flow = submit(sql, [node(), *(node(None, place) for place in range(1, size))])
    token, claimed = claim_all(sql)
    assert claimed == flow.jobs[:1]
    with cost("fail at the head"):
        assert finish(sql, token, claimed, DEAD) == ["dead_letter"]
    count = "select count(*) from workflow_node where workflow_id = %s and state = %s"
    assert sql.value(count, flow.id, "skipped") == size - 1
    with cost("retry of the head"):
        sql.value("select id from retry(%s)", claimed[0])
    assert sql.value(count, flow.id, "blocked") == size - 1
    token, claimed = claim_all(sql)
    with cost("step"):
        sql.rows("select * from finish(%s)", outcomes(token, claimed))
    with cost("cancel"):
        assert sql.value("select cancel_workflow(%s)", flow.id) == size - 1


@pytest.mark.parametrize("shape", [fan_out, fan_in, dead_fan_in, dead_fan_out, chain])
def test_ten_times_as_many_nodes_cost_ten_times_as_much(another_sql: OpenSql, shape: Callable[[Sql, int, Meter], None]) -> None:
    sql = another_sql()
    shape(sql, SMALL, Meter(sql))  # fills the caches
    meters = []
    for size in (SMALL, LARGE):
        sql = another_sql()  # on which no plan has been made
        sql.rows("set statement_timeout = '60s'")  # what is quadratic takes minutes
        meters.append(Meter(sql))
        shape(sql, size, meters[-1])

    small, large = (meter.costs for meter in meters)
    for (what, unit), most in large.items():
        print(f"{what}: {SMALL} {small[what, unit]:.2f}, {LARGE} {most:.2f} {unit}")
    for (what, unit), most in large.items():
        bound = GROWTH[unit] * LARGE / SMALL * small[what, unit] + SLACK[unit]
        assert most < bound, f"{what} grows faster than the workflow, in {unit}"
