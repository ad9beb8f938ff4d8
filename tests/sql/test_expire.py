"""expire: waiting jobs end when their time is over."""

from collections.abc import Callable

import pytest

from . import terms_guarantees
from .conftest import Sql
from .flows import node, start
from .terms_guarantees import TIMEOUT, let_expire


@pytest.mark.parametrize(
    "guarantee",
    [
        terms_guarantees.an_expired_job_is_not_claimed,
        terms_guarantees.a_job_that_has_started_does_not_expire,
        terms_guarantees.a_job_does_not_run_again_past_its_deadline,
        terms_guarantees.a_job_that_cannot_end_stops_no_other,
        terms_guarantees.a_worker_without_the_task_leaves_time_to_another,
    ],
)
def test_a_job_ends_with_its_time(sql: Sql, guarantee: Callable[[Sql], None]) -> None:
    guarantee(sql)


@pytest.mark.parametrize(
    "guarantee", [terms_guarantees.expiring_waits_for_nobody, terms_guarantees.what_is_locked_hides_no_other_job]
)
def test_jobs_end_beside_other_transactions(
    sql: Sql, another_sql: Callable[[], Sql], guarantee: Callable[[Sql, Callable[[], Sql]], None]
) -> None:
    guarantee(sql, another_sql)


def test_an_expired_job_is_cancelled_and_says_why(sql: Sql) -> None:
    id = sql.enqueue(expires_after="5 min")
    let_expire(sql, id)

    assert sql.value("select promoted from promote()") == 0

    job = sql.job(id)
    assert (job["state"], job["reason"], job["attempt"], job["errors"]) == ("cancelled", "expired", 0, None)


def test_one_that_cannot_be_ended_stops_no_job_from_being_promoted(sql: Sql) -> None:
    late, due = sql.enqueue(expires_after="1 h"), sql.enqueue(run_after="1 h")
    let_expire(sql, late)
    sql.make_due()
    sql.rows("create function refuse() returns trigger language plpgsql as $$begin raise 'kept'; end$$")
    sql.rows("create trigger refuse before delete on job for each row execute function refuse()")
    said: list[str | None] = []
    sql.connection.add_notice_handler(lambda notice: said.append(notice.message_primary))

    (promoted,) = sql.rows("select * from promote()")

    assert (promoted["promoted"], sql.state(late), sql.state(due)) == (1, "ready", "ready")
    assert promoted["next_in"] is None, "it is tried again at the next look, and not at once"
    assert said == [f"job {late} could not be ended at its time: kept"]


def test_what_waits_for_its_time_or_its_parents_or_a_limit_expires_too(sql: Sql) -> None:
    sql.value("select set_limit('key', max_running => 1)")
    scheduled = sql.enqueue(run_after="1 h", expires_after="1 min")
    blocked = sql.enqueue(depends_on=[scheduled], expires_after="1 min")
    limited = [sql.enqueue(limits=["key"], expires_after="1 min") for _ in range(2)]
    let_expire(sql, blocked, scheduled, limited[1])

    assert sql.value("select expire()") == 3
    assert [sql.state(id) for id in (scheduled, blocked, *limited)] == ["cancelled", "cancelled", "ready", "cancelled"]


def test_a_child_of_an_expired_node_is_skipped_or_runs_by_its_edge(sql: Sql) -> None:
    flow = start(sql, node("a", expires_after="1 h"), node("b", "a"), node("c", {"node": "a", "when": "finished"}))
    let_expire(sql, flow["a"])

    sql.value("select expire()")

    assert flow.states() == {"a": "cancelled", "b": "skipped", "c": "ready"}


def test_a_job_past_its_deadline_is_dead_with_the_reason_timeout(sql: Sql) -> None:
    id = sql.enqueue(total_timeout="5 min")
    let_expire(sql, id, by="deadline_at")

    assert sql.value("select expire()") == 1

    job = sql.job(id)
    assert (job["state"], job["reason"], job["errors"][-1]["type"]) == ("failed", "timeout", TIMEOUT)
    assert job["errors"][-1]["message"] == "its total_timeout of 300 s ended before the job did"


def test_a_node_past_its_deadline_has_failed(sql: Sql) -> None:
    flow = start(sql, node("a", total_timeout="1 h"), node("b", {"node": "a", "when": "failed"}))
    let_expire(sql, flow["a"], by="deadline_at")

    sql.value("select expire()")

    assert flow.states() == {"a": "failed", "b": "ready"}


def test_promote_says_when_the_next_job_expires(sql: Sql) -> None:
    sql.enqueue(expires_after="100 s")
    sql.enqueue(total_timeout="50 s")
    sql.enqueue(run_after="1 h")

    (seen,) = sql.rows("select * from promote()")

    assert 45 < seen["next_in"] <= 50


def test_when_more_have_expired_than_one_call_ends_the_next_call_comes_at_once(sql: Sql) -> None:
    ids = [sql.enqueue(expires_after="1 h") for _ in range(3)]
    let_expire(sql, *ids)

    assert sql.value("select next_in from promote(2)") == 0
    assert sql.value("select next_in from promote(2)") is None
    assert {sql.state(id) for id in ids} == {"cancelled"}


def test_a_locked_job_that_has_expired_is_not_waited_for_without_pause(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    id = sql.enqueue(expires_after="1 h")
    let_expire(sql, id)
    other = another_sql()
    with other.connection.transaction():
        other.rows("select from job where id = %s for update", id)
        assert sql.value("select next_in from promote()") is None


def test_the_key_of_an_expired_job_is_free(sql: Sql) -> None:
    id = sql.enqueue(unique_mode="until_done", expires_after="1 h")
    let_expire(sql, id)
    sql.value("select expire()")

    assert sql.enqueue(unique_mode="until_done") != id
