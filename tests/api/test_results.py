"""Results: read, waited for, kept longer, deleted."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.sql.conftest import Sql
from tests.waiting import until


def test_the_result_of_a_job_is_exact(api: httpx.Client, sql: Sql) -> None:
    id, token = sql.running()
    waiting = api.get(f"/jobs/{id}/result")
    assert (waiting.json()["state"], waiting.json()["value"], waiting.headers["retry-after"]) == ("running", None, "1")
    sql.value(
        """select * from finish(jsonb_build_array(jsonb_build_object('id', %s::bigint, 'token', %s::text, 'state', 'succeeded',
           'result', '{"n": 18446744073709551617, "d": 1.50}'::jsonb)))""",
        id,
        str(token),
    )
    answer = api.get(f"/jobs/{id}/result")
    assert '"value":{"d":1.50,"n":18446744073709551617}' in answer.text
    assert answer.json()["state"] == "succeeded"
    assert "retry-after" not in answer.headers


def test_a_poll_answers_as_soon_as_the_job_is_over_and_holds_no_connection(api: httpx.Client, sql: Sql) -> None:
    id, token = sql.running()
    with ThreadPoolExecutor(1) as threads:
        began = time.monotonic()
        poll = threads.submit(api.get, f"/jobs/{id}/result", params={"wait": 20})
        until(
            lambda: sql.value("select count(*) from pg_stat_activity where query like '%%result(%%' and state = 'idle'"),
            "the poll has looked and waits without a transaction",
        )
        assert not poll.done()
        sql.finish(token, {"id": id, "state": "succeeded", "result": 5})
        answer = poll.result(20).json()
    assert (answer["state"], answer["value"]) == ("succeeded", 5)
    assert time.monotonic() - began < 15


def test_a_poll_of_a_job_that_goes_on_ends_after_its_seconds(api: httpx.Client, sql: Sql) -> None:
    id, _ = sql.running()
    assert api.get(f"/jobs/{id}/result", params={"wait": 0.05}).json()["state"] == "running"
    assert api.get(f"/jobs/{id}/result", params={"wait": 31}).status_code == 422


def test_a_poll_that_ends_in_vain_says_why(api: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue(queue="mial")
    answer = api.get(f"/jobs/{id}/result", params={"wait": 0.05}).json()
    assert (answer["state"], answer["why"]["cause"]) == ("ready", "no_worker")
    assert answer["why"]["says"].startswith("no worker is alive that serves queue 'mial'")
    assert api.get(f"/jobs/{id}/result").json()["why"] is None, "a poll without a wait costs one look"


def test_a_poll_is_answered_although_why_it_is_late_is_not_known_in_time(api: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue()
    sql.rows("alter function explain rename to explained")
    sql.rows(
        "create function explain(bigint) returns table (cause text, says text, until timestamptz, details jsonb) "
        "language plpgsql as $$ begin perform pg_sleep(60); end $$"
    )
    began = time.monotonic()
    answer = api.get(f"/jobs/{id}/result", params={"wait": 0.05})
    assert (answer.status_code, answer.json()["state"], answer.json()["why"]) == (200, "ready", None)
    assert time.monotonic() - began < 4


def test_a_result_is_kept_longer_and_deleted(api: httpx.Client, sql: Sql) -> None:
    id, token = sql.running()
    assert api.put(f"/jobs/{id}/result/ttl", json={"seconds": 60}).status_code == 409
    sql.finish(token, {"id": id, "state": "succeeded", "result": 5})
    assert 86_000 < api.get(f"/jobs/{id}/result/ttl").json()["seconds"] <= 86_400
    assert api.put(f"/jobs/{id}/result/ttl", json={"seconds": 60.5}).status_code == 200
    assert 50 < api.get(f"/jobs/{id}/result/ttl").json()["seconds"] <= 60.5
    assert api.delete(f"/jobs/{id}/result").status_code == 204
    gone = api.get(f"/jobs/{id}/result").json()
    assert (gone["state"], gone["value"], gone["expired"]) == ("succeeded", None, True)
