"""FAULTS 41: wide and deep workflows cost in proportion to their nodes. Told by comparing sizes; the times are printed."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from .conftest import Sql
from .workflow_steps import DEAD, Flow, Node, OpenSql, claim_all, finish, node, outcome_of, outcomes

pytestmark = pytest.mark.one_postgres

SMALL, LARGE = 1000, 10_000
GROWTH = 3.0  # times what ten times as much may cost at most; quadratic would be ten times ten


class Stopwatch:
    """Seconds by what was done."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - began


def submit(sql: Sql, nodes: list[Node]) -> Flow:
    """A workflow of nodes without names."""
    (row,) = sql.rows("select * from enqueue_workflow(%s)", json.dumps(nodes))
    return Flow(row["workflow_id"], row["job_ids"])


def fan_out(sql: Sql, size: int, timed: Stopwatch) -> None:
    """One parent, so many children."""
    with timed("submit"):
        flow = submit(sql, [node(), *(node(None, 1) for _ in range(size))])
    token, claimed = claim_all(sql)
    with timed("release"):
        assert finish(sql, token, claimed) == []
    with timed("claim"):
        token, claimed = claim_all(sql)
    assert claimed == flow.jobs[1:]
    with timed("finish"):
        for start in range(0, size, 100):
            assert finish(sql, token, claimed[start : start + 100]) == []
    assert outcome_of(sql, flow.id) == "succeeded"


def fan_in(sql: Sql, size: int, timed: Stopwatch) -> None:
    """So many parents, one child."""
    with timed("submit"):
        flow = submit(sql, [*(node() for _ in range(size)), node(None, *range(1, size + 1))])
    token, claimed = claim_all(sql)
    with timed("finish"):
        for start in range(0, size, 100):
            assert finish(sql, token, claimed[start : start + 100], {"state": "succeeded", "result": 1}) == []
    token, claimed = claim_all(sql)
    assert claimed == flow.jobs[-1:]
    with timed("parents"):
        assert len(sql.rows("select * from parents(%s)", claimed)) == size
    finish(sql, token, claimed)
    assert outcome_of(sql, flow.id) == "succeeded"


def dead_fan_in(sql: Sql, size: int, timed: Stopwatch) -> None:
    """So many parents that fail, and one child; all are retried."""
    flow = submit(sql, [*(node() for _ in range(size)), node(None, *range(1, size + 1))])
    token, claimed = claim_all(sql)
    with timed("fail"):
        assert set(finish(sql, token, claimed, DEAD)) == {"dead"}
    assert outcome_of(sql, flow.id) == "failed"
    with timed("retry"):
        assert sql.value("select retry_workflow(%s)", flow.id) == size
    with timed("cancel"):
        assert sql.value("select cancel_workflow(%s)", flow.id) == size + 1


def dead_fan_out(sql: Sql, size: int, timed: Stopwatch) -> None:
    """One parent that fails, so many children."""
    flow = submit(sql, [node(), *(node(None, 1) for _ in range(size))])
    token, claimed = claim_all(sql)
    with timed("fail"):
        assert finish(sql, token, claimed, DEAD) == ["dead"]
    assert outcome_of(sql, flow.id) == "failed"
    with timed("retry"):
        assert sql.value("select retry_workflow(%s)", flow.id) == 1
    sql.value("select cancel_workflow(%s)", flow.id)


def chain(sql: Sql, size: int, timed: Stopwatch) -> None:
    """So deep; it fails at its head and is retried."""
    with timed("submit"):
        flow = submit(sql, [node(), *(node(None, place) for place in range(1, size))])
    token, claimed = claim_all(sql)
    assert claimed == flow.jobs[:1]
    with timed("fail at the head"):
        assert finish(sql, token, claimed, DEAD) == ["dead"]
    count = "select count(*) from workflow_node where workflow_id = %s and state = %s"
    assert sql.value(count, flow.id, "skipped") == size - 1
    with timed("retry of the head"):
        sql.value("select id from retry(%s)", claimed[0])
    assert sql.value(count, flow.id, "blocked") == size - 1
    token, claimed = claim_all(sql)
    with timed("step"):
        sql.rows("select * from finish(%s)", outcomes(token, claimed))
    with timed("cancel"):
        assert sql.value("select cancel_workflow(%s)", flow.id) == size - 1


@pytest.mark.parametrize("shape", [fan_out, fan_in, dead_fan_in, dead_fan_out, chain])
def test_ten_times_as_many_nodes_cost_ten_times_as_much(
    another_sql: OpenSql, shape: Callable[[Sql, int, Stopwatch], None]
) -> None:
    shape(another_sql(), SMALL, Stopwatch())  # fills the caches
    small, large = Stopwatch(), Stopwatch()
    for size, timed in ((SMALL, small), (LARGE, large)):
        sql = another_sql()  # on which no plan has been made
        sql.rows("set statement_timeout = '60s'")  # what is quadratic takes minutes
        shape(sql, size, timed)

    for what, seconds in large.seconds.items():
        print(f"{what}: {SMALL} {small.seconds[what]:.3f} s, {LARGE} {seconds:.3f} s")
    for what, seconds in large.seconds.items():
        bound = GROWTH * LARGE / SMALL * small.seconds[what] + 0.1
        assert seconds < bound, f"{what} grows faster than the workflow"
