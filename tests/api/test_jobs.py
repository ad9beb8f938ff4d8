"""Lists of jobs, one job, and verbs on one."""

from typing import Any

import httpx
import pytest

from pgqueue import PgQueue
from tests.api.callers import calling
from tests.sql.conftest import Sql


def test_a_job_is_answered_with_its_id_as_a_text_and_its_numbers_as_they_were_sent(app: PgQueue, api: httpx.Client) -> None:
    """JavaScript would round both."""

    @app.task
    def noop(number: int) -> None: ...

    job = noop.enqueue(2**53 + 1)
    answer = api.get(f"/jobs/{job.id}")
    assert answer.status_code == 200
    assert f'"id":"{job.id}"' in answer.text
    assert '"args":{"number":9007199254740993}' in answer.text


def test_a_job_that_is_over_is_told_with_all_that_was_kept_of_it(api: httpx.Client, sql: Sql) -> None:
    id, token = sql.running()
    sql.value("select save_step(%s, %s, 'charge', '{\"paid\": 1}', 0.1)", id, token)
    sql.value("select signal(%s, 'approved', '{\"by\": \"ann\"}')", id)
    sql.finish(token, {"id": id, "state": "succeeded", "result": {"sum": 2**64 + 1}})
    answer = api.get(f"/jobs/{id}")
    found = answer.json()
    assert (found["state"], found["result"]) == ("succeeded", {"sum": 2**64 + 1})
    assert [step["value"] for step in found["steps"]] == [{"paid": 1}]
    assert [signal["payload"] for signal in found["signals"]] == [{"by": "ann"}]
    assert [step["name"] for step in api.get(f"/jobs/{id}/steps").json()["items"]] == ["charge"]


@pytest.mark.parametrize("id", ["999999", "0"])
def test_a_job_that_does_not_exist_is_not_found_by_any_path(api: httpx.Client, id: str) -> None:
    bodies = {"signal": {"name": "x"}}
    for path in ("", "/duplicates", "/explain", "/logs", "/steps", "/result", "/result/ttl"):
        assert api.get(f"/jobs/{id}{path}").status_code == 404, path
    for verb in ("cancel", "retry", "signal", "discard"):
        assert api.post(f"/jobs/{id}/{verb}", json=bodies.get(verb, {})).status_code == 404, verb
    assert api.patch(f"/jobs/{id}", json={"priority": 1}).status_code == 404
    assert api.delete(f"/jobs/{id}/result").status_code == 404
    assert api.put(f"/jobs/{id}/result/ttl", json={"seconds": 1}).status_code == 404
    assert api.get("/jobs/x").status_code == 422


def test_pages_of_one_moment_have_each_job_once(api: httpx.Client, sql: Sql) -> None:
    """A6: the cursor carries the id, because many jobs have the same time."""
    sql.value("select enqueue_many('noop', (select jsonb_agg(jsonb_build_object('n', n)) from generate_series(1, 60) n))")
    sql.connection.execute("update job set run_at = '2026-01-01Z', created_at = '2026-01-01Z'")
    for order in ("id", "claim"):
        query: dict[str, Any] = {"state": "ready", "order": order, "limit": 7}
        seen, pages = list[str](), 0
        while True:
            page = api.get("/jobs", params=query).json()
            seen += [job["id"] for job in page["items"]]
            pages += 1
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        assert (len(seen), len(set(seen))) == (60, 60)
        assert pages >= 9


def test_a_cursor_belongs_to_its_filter_and_order(api: httpx.Client, sql: Sql) -> None:
    for _ in range(3):
        sql.enqueue()
    cursor = api.get("/jobs", params={"state": "ready", "limit": 1}).json()["next"]
    assert cursor is not None
    assert api.get("/jobs", params={"state": "ready", "limit": 1, "cursor": cursor}).status_code == 200
    for other in ({"state": "running"}, {"state": "ready", "order": "id"}):
        answer = api.get("/jobs", params={**other, "cursor": cursor})
        assert (answer.status_code, answer.json()["field"]) == (422, "cursor")


def test_a_list_is_filtered_by_repeated_names_and_counted_as_far_as_a_look_tells(api: httpx.Client, sql: Sql) -> None:
    sql.enqueue(queue="a")
    sql.enqueue(queue="b", args={"n": 1})
    sql.enqueue(queue="c")
    found = api.get("/jobs", params={"queue": ["a", "b"], "count": "bounded"}).json()
    assert {job["queue"] for job in found["items"]} == {"a", "b"}
    assert found["count"] == {"jobs": 2, "is_over": True, "text": "2"}
    assert "count" not in api.get("/jobs").json()
    assert [job["queue"] for job in api.get("/jobs", params={"args": '{"n": 1}'}).json()["items"]] == ["b"]
    assert api.get("/jobs", params={"args": "{"}).status_code == 422
    assert api.get("/jobs", params={"state": "lost"}).status_code == 422
    assert api.get("/jobs", params={"limit": 1001}).status_code == 422


def test_ten_thousand_jobs_and_more_are_counted_as_so_many(api: httpx.Client, sql: Sql) -> None:
    sql.value("select cardinality(enqueue_many('noop', (select jsonb_agg('{}'::jsonb) from generate_series(1, 10001))))")
    count = api.get("/jobs", params={"count": "bounded", "limit": 1}).json()["count"]
    assert count == {"jobs": 10_000, "is_over": False, "text": "10,000+"}


def test_a_list_gives_no_arguments_unless_they_are_asked_for(api: httpx.Client, sql: Sql) -> None:
    sql.enqueue(args={"to": "ann"}, meta='{"m": 1}')
    (job,) = api.get("/jobs").json()["items"]
    assert job.keys().isdisjoint({"args", "meta", "error_message", "errors", "result"})
    (job,) = api.get("/jobs", params={"view": "full"}).json()["items"]
    assert (job["args"], job["meta"]) == ({"to": "ann"}, {"m": 1})


def test_a_key_that_may_not_read_arguments_sees_none_of_them(app: PgQueue, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    id, token = sql.running(args={"to": "ann"}, meta='{"m": "ann"}')
    sql.value("select save_step(%s, %s, 'charge', '\"ann\"', 0.1)", id, token)
    sql.value("select signal(%s, 'approved', '\"ann\"')", id)
    sql.finish(token, {"id": id, "state": "succeeded", "result": "ann"})
    with calling(app, monkeypatch, "viewer", may_read_arguments=False) as api:
        for path in ("", "/steps", "/result"):
            answer = api.get(f"/jobs/{id}{path}")
            assert answer.status_code == 200
            assert "ann" not in answer.text, path
        assert api.get("/jobs", params={"view": "full"}).status_code == 403


def test_a_key_for_some_queues_does_not_learn_of_other_jobs(app: PgQueue, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = sql.enqueue(queue="mail"), sql.enqueue(queue="bank")
    discarded, token = sql.running(retries=0)
    sql.finish(token, {"id": discarded, "state": "failed", "error": {"type": "E", "message": "m"}})
    sql.value("select discard(%s, 'ann')", discarded)
    with calling(app, monkeypatch, queues=frozenset({"mail"})) as api:
        assert [job["id"] for job in api.get("/jobs").json()["items"]] == [str(own)]
        assert api.get("/jobs", params={"queue": "bank"}).status_code == 403
        for path in ("", "/duplicates", "/explain", "/logs", "/steps", "/result", "/result/ttl"):
            assert api.get(f"/jobs/{own}{path}").status_code == 200, path
            assert api.get(f"/jobs/{other}{path}").status_code == 404, path
            assert "ann" not in api.get(f"/jobs/{discarded}{path}").text, path
        for verb, body in (("cancel", {}), ("retry", {}), ("signal", {"name": "x"}), ("discard", {})):
            assert api.post(f"/jobs/{other}/{verb}", json=body).status_code == 404, verb
        assert api.patch(f"/jobs/{other}", json={"priority": 1}).status_code == 404
        assert api.patch(f"/jobs/{other}", json={"args": {}}).status_code == 404
        assert api.delete(f"/jobs/{other}/result").status_code == 404
        assert api.put(f"/jobs/{other}/result/ttl", json={"seconds": 1}).status_code == 404
        assert api.post("/jobs", json={"task": "noop", "queue": "bank"}).status_code == 403
        assert api.post("/jobs", json={"task": "noop"}).status_code == 403
        assert api.post("/jobs", json={"task": "noop", "queue": "mail"}).status_code == 201
        behind = {"task": "noop", "queue": "mail", "depends_on": [str(other)]}
        assert api.post("/jobs", json=behind).status_code == 404
        assert api.post("/jobs/batch", json={"jobs": [behind]}).status_code == 404
    assert sql.state(other) == "ready"


def test_a_key_for_some_queues_does_not_learn_which_others_workers_serve(
    app: PgQueue, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql.worker(queues=("mail2", "bank"))
    id = sql.enqueue(queue="mail")
    for queues in (frozenset({"mail"}), frozenset({"mail", "bank"})):
        with calling(app, monkeypatch, queues=queues) as api:
            for cause in (
                api.get(f"/jobs/{id}/explain").json()["items"][0],
                api.get(f"/jobs/{id}/result", params={"wait": 0.05}).json()["why"],
            ):
                assert cause["says"] == "no worker is alive that serves queue 'mail'"
                assert cause["details"] | {"queues": sorted(queues - {"mail"}), "did_you_mean": None} == cause["details"]
                assert "mail2" not in str(cause)
    with calling(app, monkeypatch, queues=None) as api:
        assert "did you mean 'mail2'" in api.get(f"/jobs/{id}/explain").text


def test_only_an_admin_changes_arguments(app: PgQueue, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    """A17: an operator may not enqueue, so it may not make another job of one either."""
    id = sql.enqueue(args={"to": "ann"})
    filter = {"ids": [str(id)]}
    with calling(app, monkeypatch, "operator") as api:
        assert api.patch(f"/jobs/{id}", json={"args": {"to": "bob"}}).status_code == 403
        assert api.post(f"/jobs/{id}/retry", json={"args": {"to": "bob"}}).status_code == 403
        operation = {"kind": "update", "filter": filter, "spec": {"args": {"to": "bob"}}}
        assert api.post("/operations", json=operation).status_code == 403
        assert api.patch(f"/jobs/{id}", json={"priority": "low"}).json()["priority"] == -50
    assert sql.job(id)["args"] == {"to": "ann"}
    with calling(app, monkeypatch, "admin") as api:
        assert api.patch(f"/jobs/{id}", json={"args": {"to": "bob"}}).json()["args"] == {"to": "bob"}


def test_new_arguments_must_fit_the_task_if_the_app_has_it(app: PgQueue, api: httpx.Client, sql: Sql) -> None:
    @app.task
    def send(to: int) -> None: ...

    id = sql.enqueue(send.name, {"to": 1})
    answer = api.patch(f"/jobs/{id}", json={"args": {"to": "ann"}})
    assert answer.status_code == 422
    assert "to" in answer.json()["detail"]
    assert sql.job(id)["args"] == {"to": 1}
    assert api.patch(f"/jobs/{id}", json={}).status_code == 422


def test_a_job_is_cancelled_by_the_name_of_the_key_and_with_its_reason(
    app: PgQueue, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, (running, _) = sql.enqueue(), sql.running()
    with calling(app, monkeypatch, "operator") as api:
        assert api.post(f"/jobs/{id}/cancel", json={"reason": "twice"}).json() == {"id": str(id), "did": "cancelled"}
        assert api.post(f"/jobs/{running}/cancel").json()["did"] == "asked"
        again = api.post(f"/jobs/{id}/cancel")
        assert (again.status_code, again.json()["type"].rpartition("/")[2]) == (409, "wrong-state")
        assert api.post(f"/jobs/{running}/cancel", json={"force": True}).json()["did"] == "fenced"
    assert sql.job(id)["control"]["cancel"]["note"] == "twice"
    assert sql.value("select by from audit_log where verb = 'cancel' and subject = %s", str(id)) == "deploy"


def test_a_dead_letter_is_retried_or_discarded(api: httpx.Client, sql: Sql) -> None:
    dead = []
    for _ in range(2):
        id, token = sql.running(retries=0)
        sql.finish(token, {"id": id, "state": "failed", "reason": "error", "error": {"type": "E", "message": "m"}})
        dead.append(id)
    found = api.get(f"/jobs/{dead[0]}").json()
    assert found["state"] == "failed"
    assert found["fingerprint"] is not None
    assert len(found["errors"]) == 1
    contrary = {"keep_attempts": True, "reset_attempts": True}
    assert api.post(f"/jobs/{dead[0]}/retry", json=contrary).status_code == 422
    answer = api.post(f"/jobs/{dead[0]}/retry", json={"run_after": 60})
    assert answer.json() == {"id": str(dead[0]), "runs_as": str(dead[0]), "duplicate": False}
    assert sql.state(dead[0]) == "scheduled"
    assert api.post(f"/jobs/{dead[1]}/discard", json={"reason": "old"}).json() == {"id": str(dead[1]), "did": "discarded"}
    gone = api.get(f"/jobs/{dead[1]}")
    assert gone.status_code == 404
    assert "has discarded it at" in gone.json()["detail"]
    assert gone.json()["detail"].endswith(": old")


def test_the_first_signal_of_a_name_wins(api: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue()
    first = {"name": "approved", "payload": {"n": 1}}
    assert api.post(f"/jobs/{id}/signal", json=first).json() == {"id": str(id), "name": "approved", "stored": True}
    assert api.post(f"/jobs/{id}/signal", json={"name": "approved"}).json()["stored"] is False


def test_the_lines_of_a_job_are_answered_page_by_page(api: httpx.Client, sql: Sql) -> None:
    id, token = sql.running()
    sql.connection.execute(
        "insert into job_log (job_id, seq, bytes_before, run_seq, at, run, attempt, level, message) "
        "select %s, n, 0, n, clock_timestamp(), %s, 1, 'info', 'line ' || n from generate_series(1, 5) n",
        (id, token),
    )
    first = api.get(f"/jobs/{id}/logs", params={"limit": 3}).json()
    rest = api.get(f"/jobs/{id}/logs", params={"limit": 3, "cursor": first["next"]}).json()
    assert [line["message"] for line in first["items"] + rest["items"]] == [f"line {n}" for n in range(1, 6)]
    assert rest["next"] is None
    assert api.get(f"/jobs/{id}/explain").json()["items"][0]["cause"] == "running"


def test_a_filter_may_be_one_text(api: httpx.Client, sql: Sql) -> None:
    id, _ = sql.enqueue("welcome", {"customer": 5}, queue="mail"), sql.enqueue("welcome", {"customer": 6}, queue="mail")
    found = api.get("/jobs", params={"q": "queue:mail args.customer:5", "state": "ready"}).json()
    assert [job["id"] for job in found["items"]] == [str(id)]
    refused = api.get("/jobs", params={"q": "queu:mail"})
    assert (refused.status_code, refused.json()["field"]) == (422, "q")
    assert "queu:mail" in refused.json()["value"]


def test_a_text_finds_no_queue_of_others(api: httpx.Client, sql: Sql, calls_as: Any) -> None:
    mine, _ = sql.enqueue(queue="mail"), sql.enqueue(queue="secret")
    calls_as(role="operator", queues=frozenset({"mail"}))
    assert [job["id"] for job in api.get("/jobs", params={"q": "task:noop"}).json()["items"]] == [str(mine)]
    assert api.get("/jobs", params={"q": "queue:secret"}).status_code == 422
    assert api.post("/operations", json={"kind": "cancel", "filter": {"q": "queue:secret,mail"}}).json()["matched"] == 1
    assert api.get("/operations/preview", params={"kind": "cancel", "q": "queue:secret"}).status_code == 422


def test_the_view_errors_has_messages_and_no_arguments(api: httpx.Client, sql: Sql, calls_as: Any) -> None:
    id, token = sql.running(args={"password": "hunter2"})
    error = {"type": "app.Broken", "types": ["app.Broken"], "message": "customer 5", "traceback": "t"}
    sql.finish(token, {"id": id, "state": "failed", "error": error, "final": True})
    seen = {view: api.get("/jobs", params={"view": view}).json()["items"][0] for view in ("basic", "errors", "full")}
    assert [job.get("error_message") for job in seen.values()] == [None, "customer 5", "customer 5"]
    assert ["args" in job for job in seen.values()] == [False, False, True]
    assert [job["error_type"] for job in seen.values()] == ["app.Broken"] * 3
    calls_as(role="viewer", may_read_arguments=False)
    assert api.get("/jobs", params={"view": "errors"}).status_code == 403
