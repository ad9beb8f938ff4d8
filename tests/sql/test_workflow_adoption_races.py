"""Plain jobs become nodes, and dead letters run again, while somebody else moves them: nothing is lost, nobody deadlocks."""

from typing import Any

import pytest

from .background import Background
from .conftest import Sql
from .guarantees import without_waiting
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

ADOPT = "select enqueue('noop', depends_on => %s, run_if => %s) as id"
ENDS = [SUCCEEDED, DEAD, {"state": "cancelled"}]


def runs(policy: str, outcome: Node) -> bool:
    """Whether a child with this policy runs after such a parent."""
    return policy in ("finished", outcome["state"])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_plain_job_that_finishes_while_it_is_adopted_is_busy_and_finishes_later(
    sql: Sql, another_sql: OpenSql, level: str, ends: str
) -> None:
    for policy in POLICIES:
        for outcome in ENDS:
            parent, token = sql.running()
            with two_sessions(sql, another_sql, level) as (one, _):
                one.begin()
                (child,) = one.do(ADOPT, [parent], policy)
                with without_waiting(sql):
                    assert finish(sql, token, [parent], outcome) == ["busy"]
                getattr(one, ends)()
            said = finish(sql, token, [parent], outcome)

            assert said == (["dead_letter"] if outcome == DEAD else [])
            if ends == "commit":
                assert states(sql, child["id"]) == ["live" if runs(policy, outcome) else "skipped"]
            else:
                assert sql.value("select count(*) from workflow_node where job_id = %s", parent) == 0


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_plain_job_adopted_while_it_finishes_is_waited_for_until_that_is_decided(
    sql: Sql, another_sql: OpenSql, level: str, ends: str
) -> None:
    for policy in POLICIES:
        for outcome in ENDS:
            parent, token = sql.running()
            with two_sessions(sql, another_sql, level) as (one, two):
                one.begin()
                one.do(FINISH, outcomes(token, [parent], outcome))
                two.begin()
                waits = two.start(ADOPT, [parent], policy)
                getattr(one, ends)()
                (child,) = two.result()
                two.commit()
            if ends == "rollback":
                assert states(sql, parent, child["id"]) == ["live", "blocked"]
                finish(sql, token, [parent], outcome)

            assert waits
            assert states(sql, parent, child["id"]) == [outcome["state"], "live" if runs(policy, outcome) else "skipped"]


def over(sql: Sql, how: Node | None) -> int:
    """A plain job that has ended so, or that runs."""
    id, token = sql.running()
    if how:
        finish(sql, token, [id], how)
    return id


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("how", [None, *ENDS], ids=["running", "succeeded", "dead", "cancelled"])
def test_a_job_that_two_adopt_at_once_becomes_a_node_of_one_workflow(
    sql: Sql, another_sql: OpenSql, level: str, how: Node | None
) -> None:
    parent, other = over(sql, how), over(sql, how)
    with two_sessions(sql, another_sql, level) as (one, two):
        one.begin()
        two.begin()
        (first,) = one.do(ADOPT, [parent], "finished")
        waits = two.start(ADOPT, [other, parent], "finished")
        one.commit()
        (second,) = two.result()
        two.commit()

    assert waits
    assert sql.value("select count(*) from workflow") == 1
    assert states(sql, first["id"], second["id"]) == ["live" if how else "blocked"] * 2


@pytest.mark.parametrize("first", ["adopt", "retry"])
@pytest.mark.parametrize("ends", ["commit", "rollback"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_dead_letter_is_adopted_and_retried_at_once(sql: Sql, another_sql: OpenSql, level: str, first: str, ends: str) -> None:
    for policy in POLICIES:
        parent = over(sql, DEAD)
        calls: dict[str, tuple[Any, ...]] = {"adopt": (ADOPT, [parent], policy), "retry": ("select id from retry(%s)", parent)}
        second = "retry" if first == "adopt" else "adopt"
        with two_sessions(sql, another_sql, level) as (one, two):
            one.begin()
            two.begin()
            ids = {first: one.do(*calls[first])}
            waits = two.start(*calls[second])
            getattr(one, ends)()
            ids[second] = two.result()
            two.commit()
            if ends == "rollback":
                ids[first] = one.do(*calls[first])
        child = ids["adopt"][0]["id"]

        assert waits
        # What a dead parent has released and has not started waits again, as does what it skipped.
        assert states(sql, parent, child) == ["live", "blocked"]
        token, _ = sql.claim(sql.worker(), queues=(sql.job(parent)["queue"],))
        assert finish(sql, token, [parent]) == []
        assert states(sql, child) == ["skipped" if policy == "failed" else "live"]


def test_a_workflow_and_its_last_dead_letter_are_retried_at_once(sql: Sql, another_sql: OpenSql) -> None:
    flow = submit(sql, node("a"), node("b"), node("c", "a", "b"))
    token, _ = claim_all(sql)
    finish(sql, token, flow.jobs[:2], DEAD)
    holder = another_sql()

    with holder.connection.transaction():
        holder.rows("select from workflow where id = %s for update", flow.id)
        whole = Background(another_sql(), "select retry_workflow(%s) as retried", flow.id)
        whole.wait_until_blocked(sql)
        one = Background(another_sql(), "select id from retry(%s)", flow.jobs[1])
        one.wait_until_blocked(sql)

    assert whole.rows() == [{"retried": 2}]
    assert one.refusal().sqlstate == "PQ004"
    assert states(sql, *flow.jobs) == ["live", "live", "blocked"]


def test_a_dead_letter_that_is_retried_first_is_left_out_of_the_retry_of_its_workflow(sql: Sql, another_sql: OpenSql) -> None:
    flow = submit(sql, node("a"), node("b"), node("c", "a", "b"))
    token, _ = claim_all(sql)
    finish(sql, token, flow.jobs[:2], DEAD)
    first = another_sql()

    with first.connection.transaction():
        first.value("select id from retry(%s)", flow.jobs[0])
        whole = Background(another_sql(), "select retry_workflow(%s) as retried", flow.id)
        whole.wait_until_blocked(sql)

    assert whole.rows() == [{"retried": 1}]
    assert states(sql, *flow.jobs) == ["live", "live", "blocked"]


def test_of_two_retries_of_a_workflow_the_second_finds_nothing_to_retry(sql: Sql, another_sql: OpenSql) -> None:
    flow = submit(sql, node("a"), node("b"), node("c", "a", "b"))
    token, _ = claim_all(sql)
    finish(sql, token, flow.jobs[:2], DEAD)
    first = another_sql()

    with first.connection.transaction():
        assert first.value("select retry_workflow(%s)", flow.id) == 2
        second = Background(another_sql(), "select retry_workflow(%s) as retried", flow.id)
        second.wait_until_blocked(sql)

    assert second.rows() == [{"retried": 0}]


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_sibling_that_fails_while_a_parent_is_retried_skips_their_child_again(
    sql: Sql, another_sql: OpenSql, ends: str
) -> None:
    flow = submit(sql, node("a"), node("b"), node("c", "a", "b"))
    token, (a, b) = claim_all(sql)
    finish(sql, token, [a], DEAD)
    with two_sessions(sql, another_sql) as (one, two):
        one.begin()
        one.do("select id from retry(%s)", a)
        two.begin()
        waits = two.start(FINISH, outcomes(token, [b], DEAD))
        getattr(one, ends)()
        two.result()
        two.commit()

    assert waits
    assert states(sql, *flow.jobs) == ["live" if ends == "commit" else "failed", "failed", "skipped"]
    assert outcome_of(sql, flow.id) == (None if ends == "commit" else "failed")


def test_a_dead_letter_that_somebody_has_deleted_is_left_out_of_the_retry_of_its_workflow(sql: Sql) -> None:
    flow = submit(sql, node("a"), node("b"))
    token, _ = claim_all(sql)
    finish(sql, token, flow.jobs, DEAD)
    sql.rows("delete from dead_letter where id = %s", flow.jobs[0])

    assert sql.value("select retry_workflow(%s)", flow.id) == 1

    assert states(sql, *flow.jobs) == ["failed", "live"]
