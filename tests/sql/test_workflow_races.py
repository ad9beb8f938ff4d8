"""Two transactions move the same workflow, in each order: every child is released or skipped once, and nobody waits for ever."""

import pytest

from . import workflow_guarantees as guarantees
from .background import Background
from .conftest import Sql
from .workflow_steps import (
    DEAD,
    FINISH,
    LEVELS,
    POLICIES,
    SUCCEEDED,
    Node,
    OpenSql,
    claim_all,
    finish,
    node,
    outcome_of,
    outcomes,
    states,
    submit,
    two_sessions,
)


@pytest.mark.parametrize("level", LEVELS)
def test_two_parents_that_finish_in_any_order_release_their_child_once(sql: Sql, another_sql: OpenSql, level: str) -> None:
    guarantees.fan_in_releases_once(sql, another_sql, level)


def test_three_parents_in_one_finish_count_as_three(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.three_parents_in_one_batch_count_thrice(sql, another_sql)


@pytest.mark.parametrize("level", LEVELS)
def test_a_workflow_whose_last_two_nodes_end_at_once_finishes_once(sql: Sql, another_sql: OpenSql, level: str) -> None:
    guarantees.the_last_two_nodes_tell_once(sql, another_sql, level)


@pytest.mark.parametrize("verb", ["extend", "depends_on"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("first", ["add", "finish"])
@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_child_added_while_its_parent_finishes_is_not_forgotten(
    sql: Sql, another_sql: OpenSql, level: str, first: str, ends: str, verb: str
) -> None:
    for policy in POLICIES:
        for outcome in (SUCCEEDED, DEAD):
            guarantees.a_late_edge_is_settled(sql, another_sql, level, first, ends, policy, outcome, verb)


def test_a_child_added_after_its_parent_has_ended_is_not_forgotten(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.a_late_child_of_a_parent_that_has_ended_is_settled(sql, another_sql)


def test_a_finish_that_is_repeated_counts_once(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.finish_again_counts_once(sql, another_sql)


def test_a_complete_that_is_repeated_while_the_first_is_open_waits_and_counts_once(sql: Sql, another_sql: OpenSql) -> None:
    flow = submit(sql, node("p"), node("q"), node("c", "p", "q"))
    token, (p, _) = claim_all(sql)
    first = another_sql()

    with first.connection.transaction():
        assert first.value("select complete(%s, %s)", p, token) is None
        second = Background(another_sql(), "select complete(%s, %s) as said", p, token)
        second.wait_until_blocked(sql)

    assert second.rows() == [{"said": "stale"}]
    assert states(sql, *flow.jobs) == ["succeeded", "live", "blocked"]


def test_a_stale_owner_releases_and_skips_nothing(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.a_stale_owner_cannot_end_a_node(sql, another_sql)


def test_a_dead_letter_skips_all_that_hangs_on_it(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.skips_cascade(sql, another_sql)


@pytest.mark.parametrize("level", LEVELS)
def test_cascades_that_cross_do_not_deadlock(sql: Sql, another_sql: OpenSql, level: str) -> None:
    guarantees.cascades_cross(sql, another_sql, level)


def test_batches_in_opposite_orders_do_not_deadlock(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.opposite_batches_do_not_deadlock(sql, another_sql)


def test_a_retried_parent_is_waited_for_again(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.retry_counts_anew(sql, another_sql)


def test_a_workflow_that_is_held_stalls_no_other(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.a_held_workflow_stalls_only_itself(sql, another_sql)


def test_cancelling_a_workflow_waits_for_no_claim(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.cancelling_leaves_a_held_job_alone(sql, another_sql)


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_workflow_cancelled_while_a_node_finishes_ends_what_that_one_released(
    sql: Sql, another_sql: OpenSql, ends: str
) -> None:
    flow = submit(sql, node("a"), node("b"), node("c", "a"))
    token, _ = sql.claim(sql.worker(), 1)
    with two_sessions(sql, another_sql) as (one, two):
        one.begin()
        one.do(FINISH, outcomes(token, flow.jobs[:1]))
        two.begin()
        waits = two.start("select cancel_workflow(%s) as ended", flow.id)
        getattr(one, ends)()
        ended = two.result()
        two.commit()

    assert (waits, ended) == (True, [{"ended": 2}])
    if ends == "rollback":
        assert outcome_of(sql, flow.id) is None
        finish(sql, token, flow.jobs[:1])
    assert states(sql, *flow.jobs) == ["succeeded", "cancelled", "cancelled"]
    assert outcome_of(sql, flow.id) == "cancelled"


@pytest.mark.parametrize("outcome", [SUCCEEDED, {"state": "failed"}], ids=["succeeds", "fails"])
@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_node_that_finishes_while_its_workflow_is_cancelled_ends_as_it_will(
    sql: Sql, another_sql: OpenSql, ends: str, outcome: Node
) -> None:
    flow = submit(sql, node("a", retries=0), node("b", "a"))
    token, _ = claim_all(sql)
    with two_sessions(sql, another_sql) as (one, two):
        one.begin()
        one.do("select cancel_workflow(%s)", flow.id)
        two.begin()
        waits = two.start(FINISH, outcomes(token, flow.jobs[:1], outcome))
        getattr(one, ends)()
        two.result()
        two.commit()

    assert waits
    ended = "succeeded" if outcome == SUCCEEDED else "failed"
    below = "cancelled" if ends == "commit" else "live" if outcome == SUCCEEDED else "skipped"
    assert states(sql, *flow.jobs) == [ended, below]


def test_a_node_that_is_cancelled_while_its_parent_finishes_is_released_and_then_cancelled(
    sql: Sql, another_sql: OpenSql
) -> None:
    flow = submit(sql, node("a"), node("b", "a"), node("c", "b"))
    token, _ = claim_all(sql)
    with two_sessions(sql, another_sql) as (one, _):
        one.begin()
        one.do(FINISH, outcomes(token, flow.jobs[:1]))
        cancel = Background(another_sql(), "select cancel(%s)", flow.jobs[1])
        cancel.wait_until_blocked(sql)
        one.commit()
        cancel.rows()

    assert states(sql, *flow.jobs) == ["succeeded", "cancelled", "skipped"]
    assert outcome_of(sql, flow.id) == "cancelled"


def test_a_parent_that_finishes_while_its_child_is_cancelled_leaves_the_child_cancelled(sql: Sql, another_sql: OpenSql) -> None:
    flow = submit(sql, node("a"), node("b", "a"))
    token, _ = claim_all(sql)
    with two_sessions(sql, another_sql) as (one, two):
        one.begin()
        one.do("select cancel(%s)", flow.jobs[1])
        two.begin()
        waits = two.start(FINISH, outcomes(token, flow.jobs[:1]))
        one.commit()
        two.result()
        two.commit()

    assert waits
    assert states(sql, *flow.jobs) == ["succeeded", "cancelled"]
