"""The parent moves while somebody makes a job wait for it."""

import json
from collections.abc import Callable

import pytest

from .background import Background
from .conftest import Sql
from .flows import Flow, claim, end, node, start, workflow_of
from .test_depends_on import SATISFIES, parent_in


@pytest.mark.parametrize("run_if", SATISFIES)
@pytest.mark.parametrize("outcome", ["succeeded", "failed", "cancelled"])
def test_a_parent_that_is_finished_while_its_adopter_waits_decides_at_once(
    sql: Sql, another_sql: Callable[[], Sql], outcome: str, run_if: str
) -> None:
    parent = sql.enqueue("parent")
    token, _ = claim(sql, parent)
    finisher = another_sql()

    with finisher.connection.transaction():
        finisher.finish(token, {"id": parent, "state": outcome, "final": True})
        adopter = Background(another_sql(), "select enqueue('child', depends_on => %s, run_if => %s) as id", [parent], run_if)
        adopter.wait_until_blocked(sql)
    (row,) = adopter.rows()

    ran = {"failed": "dead"}.get(outcome, outcome) in SATISFIES[run_if]
    assert sql.state(row["id"]) == ("ready" if ran else "cancelled")


def test_a_parent_whose_finish_is_rolled_back_while_its_adopter_waits_is_adopted_as_it_runs(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    parent = sql.enqueue("parent")
    token, _ = claim(sql, parent)
    finisher = another_sql()

    with finisher.connection.transaction(force_rollback=True):
        finisher.finish(token, {"id": parent, "state": "succeeded"})
        adopter = Background(another_sql(), "select enqueue('child', depends_on => %s) as id", [parent])
        adopter.wait_until_blocked(sql)
    (row,) = adopter.rows()

    assert sql.state(row["id"]) == "blocked"
    sql.finish(token, {"id": parent, "state": "succeeded"})
    assert sql.state(row["id"]) == "ready"


def test_a_dead_parent_that_is_retried_while_its_adopter_waits_is_adopted_as_it_waits(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    parent, user = parent_in(sql, "dead"), another_sql()

    with user.connection.transaction():
        user.value("select id from retry(%s)", parent)
        adopter = Background(another_sql(), "select enqueue('child', depends_on => %s) as id", [parent])
        adopter.wait_until_blocked(sql)
    (row,) = adopter.rows()

    assert sql.state(row["id"]) == "blocked"


@pytest.mark.parametrize("state", ["ready", "running", "succeeded", "dead", "cancelled"])
def test_of_two_adopters_of_one_parent_the_second_joins_the_workflow_of_the_first(
    sql: Sql, another_sql: Callable[[], Sql], state: str
) -> None:
    parent, first = parent_in(sql, state), another_sql()

    with first.connection.transaction():
        one = first.enqueue("child", depends_on=[parent], run_if="finished")
        second = Background(another_sql(), "select enqueue('child', depends_on => %s, run_if => 'finished') as id", [parent])
        second.wait_until_blocked(sql)
    (row,) = second.rows()

    assert sql.job(one)["workflow_id"] == sql.job(row["id"])["workflow_id"]
    assert sql.value("select count(*) from workflow") == 1
    assert sql.state(one) == sql.state(row["id"])


@pytest.mark.parametrize("kind", ["plain", "node"])
def test_in_repeatable_read_a_parent_that_has_ended_since_the_snapshot_is_a_serialization_failure(
    sql: Sql, another_sql: Callable[[], Sql], kind: str
) -> None:
    parent = parent_in(sql, "ready") if kind == "plain" else start(sql, node("a"))["a"]
    adopter = another_sql()
    adopter.rows("begin isolation level repeatable read")
    adopter.value("select count(*) from job")

    end(sql, parent)
    refused = adopter.refusal("select enqueue('child', depends_on => %s)", [parent])

    assert refused.sqlstate == "40001"
    adopter.rows("rollback")
    assert isinstance(adopter.enqueue("child", depends_on=[parent]), int)


def test_a_claimer_passes_over_a_parent_that_is_being_adopted(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    parent, adopter = sql.enqueue("parent"), another_sql()

    with adopter.connection.transaction():
        adopter.enqueue("child", depends_on=[parent])
        assert sql.claim(sql.worker())[1] == []

    assert isinstance(workflow_of(sql, parent), Flow)


@pytest.mark.parametrize("kind", ["plain", "node"])
def test_a_call_with_several_groups_of_parents_holds_none_while_it_waits_for_the_first(
    sql: Sql, another_sql: Callable[[], Sql], kind: str
) -> None:
    """Or two such calls, whose groups come in different orders, would each hold what the other one waits for."""
    held, holder = sql.enqueue("held"), another_sql()
    other = sql.enqueue("other") if kind == "plain" else start(sql, node("other"))["other"]
    groups = [[other], [held, sql.enqueue("last")]]  # in the order in which they are dealt with
    jobs = json.dumps([{"task": "child", "depends_on": group} for group in groups])

    with holder.connection.transaction():
        holder.rows("select from job where id = %s for no key update", held)
        call = Background(another_sql(), "select * from enqueue_many(%s)", jobs)
        call.wait_until_blocked(sql)
        holder.rows("select from job where id = %s for no key update nowait", other)
        holder.rows("select from workflow for no key update nowait")

    assert [sql.state(row["id"]) for row in call.rows()] == ["blocked", "blocked"]
