"""finish: runs that succeeded without a result, handed in as arrays. Most other tests hand them in so, too; see `Sql.finish`."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql
from .test_set_queue import set_queue

FULL: dict[str, Any] = {
    "args": {"to": 1}, "meta": '{"m": 1}', "priority": 3, "retries": 7, "result_ttl": timedelta(hours=3), "limits": ["b", "a"],
    "cost": 2, "timeout": timedelta(minutes=5), "total_timeout": timedelta(hours=1), "retry": '{"backoff": "fixed", "delay": 1}',
}  # fmt: skip
OF_THE_RUN = {"id", "run_at", "created_at", "claimed_at", "finished_at", "worker_id", "queue"}  # and of the enqueueing


def ends(sql: Sql, finish: Callable[..., list[dict[str, Any]]]) -> dict[str, Any]:
    """What the history keeps of a job that failed once and then succeeded, and of which nearly every column is set."""
    id = sql.enqueue(queue=f"q{uuid.uuid4().hex}", **FULL)
    queue = sql.job(id)["queue"]
    token, _ = sql.claim(sql.worker(), queues=(queue,))
    sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E", "message": "once"}, "delay": 0})
    token, _ = sql.claim(sql.worker(), queues=(queue,))
    sql.rows("update job set unique_key = '\\x01', unique_mode = 'until_done', control = '{\"retried\": 1}' where id = %s", id)
    assert finish(token, {"id": id, "state": "succeeded", "elapsed": 0.25}) == []
    (row,) = sql.rows("select *, tableoid::regclass::text as part from job_history where id = %s", id)
    errors = row.pop("errors")
    assert [error["message"] for error in errors] == ["once"]
    return {name: value for name, value in row.items() if name not in OF_THE_RUN}


def test_the_history_keeps_the_same_of_a_job_however_it_is_handed_in(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows("select set_limit(key, max_running => 1000) from unnest('{a,b}'::text[]) as key")

    plain, as_json = ends(sql, sql.finish), ends(sql, sql.finish_json)

    assert plain == as_json
    unset = {name for name, value in plain.items() if value is None}
    assert unset == {"result_expires_at", "reason", "retry_of", "workflow_id"}


def test_of_a_batch_what_is_not_its_runs_is_stale_and_the_rest_ends(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    (mine, token), (other, _), (over, its_token) = sql.running(), sql.running(), sql.running()
    sql.finish(its_token, {"id": over, "state": "succeeded"})

    verdicts = sql.rows(
        "select * from finish(ids => %s, tokens => %s, elapseds => '{1, 1, 1, 1, 1}')",
        [other, mine, over, 10**18, None],
        [token, token, its_token, token, token],
    )

    assert [(row["job_id"], row["verdict"]) for row in verdicts] == [
        (other, "stale"), (over, "stale"), (10**18, "stale"),
    ]  # fmt: skip
    assert (sql.state(mine), sql.state(other), sql.state(over)) == ("succeeded", "running", "succeeded")


def test_one_call_takes_plain_runs_and_others(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    (done, token), (failed, its_token) = sql.running(retries=0), sql.running(retries=0)

    verdicts = sql.rows(
        "select * from finish(jsonb_build_array(jsonb_build_object('id', %s::bigint, 'token', %s::uuid, 'state', 'failed')),"
        " null, %s, %s, '{0.5}')",
        failed,
        its_token,
        [done],
        [token],
    )

    assert [(row["job_id"], row["verdict"]) for row in verdicts] == [(failed, "dead_letter")]
    assert (sql.job(done)["state"], sql.job(done)["elapsed"], sql.state(failed)) == ("succeeded", 0.5, "failed")


@pytest.mark.parametrize(("given", "kept"), [("NaN", 1e9), ("Infinity", 1e9), ("-1", 0), ("NULL", None), ("1.5", 1.5)])
def test_an_odd_number_of_seconds_is_stored_as_a_sane_one(rolled_back_sql: Sql, given: str, kept: float | None) -> None:
    id, token = rolled_back_sql.running()

    rolled_back_sql.rows("select * from finish(ids => %s, tokens => %s, elapseds => %s::real[])", [id], [token], f"{{{given}}}")

    assert rolled_back_sql.job(id)["elapsed"] == kept


@pytest.mark.parametrize(("tokens", "elapseds", "state"), [(1, 0, "succeeded"), (0, 1, "running"), (3, 3, "succeeded")])
def test_arrays_of_unequal_length_end_what_has_a_token(rolled_back_sql: Sql, tokens: int, elapseds: int, state: str) -> None:
    id, token = rolled_back_sql.running()

    rolled_back_sql.rows(
        "select * from finish(ids => %s, tokens => %s::uuid[], elapseds => %s::real[])", [id], [token] * tokens, [1.0] * elapseds
    )

    assert rolled_back_sql.state(id) == state


def test_no_runs_at_all_are_nothing(rolled_back_sql: Sql) -> None:
    assert rolled_back_sql.rows("select * from finish()") == []
    assert rolled_back_sql.rows("select * from finish(ids => '{}', tokens => '{}', elapseds => '{}')") == []


def test_a_queue_that_keeps_no_history_keeps_none_of_them(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_queue(sql, keep_succeeded=False)
    kept, dropped = sql.enqueue(queue="other"), sql.enqueue()
    token, _ = sql.claim(sql.worker(queues=("default", "other")), queues=("default", "other"))

    sql.finish(token, {"id": kept, "state": "succeeded"}, {"id": dropped, "state": "succeeded"})

    assert [row["id"] for row in sql.rows("select id from jobs")] == [kept]
