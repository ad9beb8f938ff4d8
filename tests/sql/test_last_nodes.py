"""last_nodes: the jobs whose results are the result of a workflow."""

import json
from typing import Any

import pytest

from .conftest import Sql
from .flows import Flow, node, start


def failed(parent: str) -> dict[str, str]:
    return {"node": parent, "when": "failed"}


def finished(parent: str) -> dict[str, str]:
    return {"node": parent, "when": "finished"}


def last(flow: Flow) -> list[str]:
    names = {id: name for name, id in flow.jobs.items()}
    return [names[id] for id in flow.sql.value("select last_nodes(%s)", flow.id)]


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param([node("a")], ["a"], id="alone"),
        pytest.param([node("a"), node("b", "a"), node("c", "a"), node("d", "b")], ["c", "d"], id="nobody waits for them"),
        pytest.param([node("a"), node("mend", failed("a"))], ["a"], id="what runs after a failure is aside"),
        pytest.param([node("a"), node("mend", failed("a")), node("tell", "mend")], ["a"], id="what hangs on it, too"),
        pytest.param([node("a"), node("mend", failed("a")), node("tidy", finished("mend"))], ["a", "tidy"], id="what runs after"),
        pytest.param([node("a"), node("b"), node("mend", failed("a"), "b")], ["a", "b"], id="they make nobody waited for"),
        pytest.param([node("a"), node("tidy", finished("a"))], ["tidy"], id="what runs whatever happens"),
        pytest.param([node("a"), node("b", "a"), node("mend", failed("a"))], ["b"], id="beside a failure"),
        pytest.param([node("a"), node("mend", failed("a")), node("again", failed("mend"))], ["a"], id="failure after failure"),
    ],
)
def test_the_last_nodes(rolled_back_sql: Sql, nodes: list[dict[str, Any]], expected: list[str]) -> None:
    start(rolled_back_sql, *(node(f"{name} of another", *after) for name, *after in (("a",), ("b", "a of another"))))
    assert last(start(rolled_back_sql, *nodes)) == expected


def test_they_are_those_of_now(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"))
    flow.extend(node("c", "b"), node("d", "a"))
    assert last(flow) == ["c", "d"]


def test_the_states_of_the_nodes_do_not_matter(rolled_back_sql: Sql) -> None:
    flow = start(rolled_back_sql, node("a"), node("b", "a"), node("mend", failed("a")))
    flow.run("a", "failed")
    flow.run("mend")
    assert last(flow) == ["b"]


def test_the_statement_that_adds_a_workflow_sees_them(rolled_back_sql: Sql) -> None:
    (row,) = rolled_back_sql.rows(
        "select w.job_ids, last_nodes(w.workflow_id) as last from enqueue_workflow(%s) w",
        json.dumps([node("a"), node("b", "a"), node("c", "a")]),
    )
    assert row["last"] == row["job_ids"][1:]


def test_a_workflow_that_does_not_exist_has_none(rolled_back_sql: Sql) -> None:
    assert rolled_back_sql.value("select last_nodes(0)") == []
