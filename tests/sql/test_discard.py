"""discard: a dead letter is removed for good, and it is kept who did it."""

from collections.abc import Callable

import pytest

from .background import Background
from .conftest import Sql
from .dead import dead
from .flows import node, start


def test_it_is_gone_and_who_did_it_and_why_is_kept(rolled_back_sql: Sql) -> None:
    id = dead(rolled_back_sql, queue="mail", task="send")

    rolled_back_sql.value("select discard(%s, 'ann', 'the customer is gone')", id)

    assert rolled_back_sql.rows("select * from jobs") == []
    (row,) = rolled_back_sql.rows("select * from discard_log")
    assert (row["job_id"], row["by"], row["reason"]) == (id, "ann", "the customer is gone")
    assert (row["queue"], row["task"], row["error_type"], len(row["fingerprint"])) == ("mail", "send", "E", 16)
    assert rolled_back_sql.refusal("select discard(%s)", id).sqlstate == "PQ003"


def test_every_verb_of_operators_says_of_a_discarded_job_who_did_it_and_why(rolled_back_sql: Sql) -> None:
    id = dead(rolled_back_sql)
    rolled_back_sql.value("select discard(%s, 'ann', 'the customer is gone')", id)

    for verb in ("retry", "cancel", "discard"):
        said = rolled_back_sql.refusal(f"select {verb}(%s)", id)
        assert said.sqlstate == "PQ003"
        assert f"job {id} is not kept any more: 'ann' has discarded it at " in str(said)
        assert "the customer is gone" in str(said)


def test_a_producer_that_signals_is_not_told_who_has_discarded_a_job(rolled_back_sql: Sql) -> None:
    id = dead(rolled_back_sql)
    rolled_back_sql.value("select discard(%s, 'ann', 'the customer is gone')", id)

    said = rolled_back_sql.refusal("select signal(%s, 'go')", id)
    assert said.sqlstate == "PQ003"
    assert f"there is no job {id}; it never existed, or the history no longer keeps it" in str(said)
    assert "ann" not in str(said)
    assert "customer" not in str(said)


def test_without_a_name_it_is_the_user_of_the_database(rolled_back_sql: Sql) -> None:
    rolled_back_sql.value("select discard(%s)", dead(rolled_back_sql))

    assert rolled_back_sql.rows("select by = session_user as is_user, reason from discard_log") == [
        {"is_user": True, "reason": None}
    ]


def test_only_a_dead_letter_is_discarded(rolled_back_sql: Sql) -> None:
    id = rolled_back_sql.enqueue()

    refused = rolled_back_sql.refusal("select discard(%s)", id)

    assert refused.sqlstate == "PQ004"
    assert f"job {id} is ready; only a dead letter can be discarded" in str(refused)
    assert rolled_back_sql.state(id) == "ready"


@pytest.mark.parametrize(
    ("field", "call"), [("by", "discard(%s, repeat('x', 201))"), ("reason", "discard(%s, 'a', repeat('x', 1001))")]
)
def test_a_long_text_is_refused_by_name_and_nothing_is_removed(rolled_back_sql: Sql, field: str, call: str) -> None:
    id = dead(rolled_back_sql)

    refused = rolled_back_sql.refusal(f"select {call}", id)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)
    assert rolled_back_sql.state(id) == "failed"


def test_a_bad_text_is_refused_before_the_job_is_looked_for(rolled_back_sql: Sql) -> None:
    assert rolled_back_sql.refusal("select discard(4711, '')").sqlstate == "PQ001"


def test_a_job_that_is_being_retried_is_not_discarded(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    id, operator = dead(sql), another_sql()
    with operator.connection.transaction():
        operator.value("select id from retry(%s)", id)
        discard = Background(another_sql(), "select discard(%s)", id)
        discard.wait_until_blocked(sql)

    assert discard.refusal().sqlstate == "PQ004"
    assert sql.state(id) == "ready"
    assert sql.rows("select * from discard_log") == []


def test_what_is_kept_of_it_goes_with_the_history(rolled_back_sql: Sql) -> None:
    for days in (6, 8):
        rolled_back_sql.value("select discard(%s, %s)", dead(rolled_back_sql), f"{days} days ago")
        rolled_back_sql.rows(
            "update discard_log set discarded_at = discarded_at - make_interval(days => %s) where by = %s",
            days,
            f"{days} days ago",
        )

    rolled_back_sql.value("select maintain()")

    assert rolled_back_sql.value("select array_agg(by) from discard_log") == ["6 days ago"]


def test_a_node_stays_failed_and_its_workflow_as_it_is(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"), node("c", {"node": "a", "when": "finished"}))
    flow.run("a", "failed")

    sql.value("select discard(%s)", flow["a"])

    assert flow.states() == {"a": "failed", "b": "skipped", "c": "ready"}
    flow.run("c")
    assert (flow.status, sql.value("select retry_workflow(%s)", flow.id)) == ("failed", 0)
