"""relatives: the nodes around a node, for people."""

from .conftest import Sql
from .flows import node, start
from .plan import plans_of


def test_every_state_of_a_parent_is_told_with_its_queue(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    names = ["fine", "dead", "gone", "waits"]
    flow = start(sql, *(node(name, queue=f"q-{name}") for name in names), node("join", *names), node("below", "join"))
    flow.run("fine")
    flow.run("dead", state="failed", final=True, error={"type": "E", "message": "no"})
    sql.value("select cancel(%s)", flow["gone"])
    rows = sql.rows("select * from relatives(%s)", flow["join"])
    states = {row["name"]: (row["kind"], row["state"], row["queue"]) for row in rows}
    assert states["dead"] == ("parent", "failed", "q-dead")
    assert states["gone"] == ("parent", "cancelled", "q-gone")
    assert states["fine"] == ("parent", "succeeded", "q-fine")
    assert states["waits"] == ("parent", "ready", "q-waits")
    assert states["below"][:2] == ("child", "skipped")
    assert [row["name"] for row in rows] == ["fine", "dead", "gone", "waits", "below"]


def test_a_job_that_is_no_node_has_no_relatives(rolled_back_sql: Sql) -> None:
    assert rolled_back_sql.rows("select * from relatives(%s)", rolled_back_sql.enqueue()) == []


def test_no_table_is_read_whole(sql: Sql) -> None:
    flow = start(sql, node("a"), node("b", "a"))
    plans = plans_of(sql, "select * from relatives(%s)", flow["b"])
    assert plans.nodes("SEQSCAN") == []
    assert "workflow_edge_child" in plans.indexes(sql.connection)
