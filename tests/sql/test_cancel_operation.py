"""cancel_operation: what is done stays, the rest is left alone."""

from . import operation_guarantees as guarantees
from .background import Background
from .conftest import Sql
from .guarantees import many
from .operation_guarantees import OpenSql, begin, left_to_workers, operation


def test_what_was_cancelled_is_not_carried_on(sql: Sql) -> None:
    guarantees.what_was_cancelled_is_not_carried_on(sql)


def test_one_that_is_over_is_not_cancelled_and_the_error_says_so(sql: Sql) -> None:
    id = begin(sql, "cancel")["id"]

    refused = sql.refusal("select cancel_operation(%s)", id)

    assert refused.sqlstate == "PQ004"
    assert str(refused.diag.message_primary) == (
        f"operation_id: operation {id} is over (done); only one that goes on can be cancelled"
    )


def test_an_unknown_one_is_named(sql: Sql) -> None:
    refused = sql.refusal("select cancel_operation(4711)")

    assert refused.sqlstate == "PQ003"
    assert "there is no operation 4711" in str(refused)


def test_it_waits_for_the_step_that_is_being_taken(sql: Sql, another_sql: OpenSql) -> None:
    many(sql, 60)
    row = left_to_workers(sql, "cancel")
    worker = another_sql()
    with worker.connection.transaction():
        worker.value("select carry_on_operations(20)")
        cancel = Background(another_sql(), "select state from cancel_operation(%s)", row["id"])
        cancel.wait_until_blocked(sql)

    assert cancel.rows() == [{"state": "cancelled"}]
    assert 0 < operation(sql, row["id"])["done"] <= 20


def test_who_cancels_it_is_checked(sql: Sql) -> None:
    many(sql, 2)
    id = left_to_workers(sql, "cancel")["id"]

    for by in ("", "x" * 201):
        assert sql.refusal("select cancel_operation(%s, %s)", id, by).sqlstate == "PQ001"
    assert sql.value("select cancelled_by from cancel_operation(%s)", id) == sql.value("select session_user")
