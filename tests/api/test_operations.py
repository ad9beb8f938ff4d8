"""Verbs on all jobs of a filter: operations."""

import httpx
import pytest

from pgqueue import PgQueue
from tests.api.callers import calling
from tests.sql.conftest import Sql


@pytest.mark.alone  # on a busy machine the time of the call may not suffice
def test_a_small_operation_is_done_when_it_is_answered(api: httpx.Client, sql: Sql) -> None:
    ids = [sql.enqueue(queue="mail") for _ in range(3)]
    other = sql.enqueue()
    answer = api.post("/operations", json={"kind": "cancel", "filter": {"queue": ["mail"]}, "reason": "no more mail"})
    assert answer.status_code == 202
    found = answer.json()
    assert (found["state"], found["matched"], found["did"]) == ("done", 3, {"cancelled": 3})
    assert found["reason"] == "no more mail"
    assert answer.headers["location"] == f"/api/v1/operations/{found['id']}"
    assert api.get(answer.headers["location"].removeprefix("/api/v1"), params={"wait": 5}).json() == found
    assert [one["id"] for one in api.get("/operations").json()["items"]] == [found["id"]]
    assert api.get("/operations", params={"only_open": True}).json() == {"items": [], "next": None}
    assert {sql.state(id) for id in ids} == {"cancelled"}
    assert sql.state(other) == "ready"


def test_an_operation_that_means_every_job_says_so(api: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue()
    answer = api.post("/operations", json={"kind": "cancel"})
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (422, "invalid")
    assert sql.state(id) == "ready"
    assert api.post("/operations", json={"kind": "cancel", "all": True, "dry_run": True}).json()["done"] == 1
    assert sql.state(id) == "ready"
    assert api.post("/operations", json={"kind": "cancel", "all": True}).json()["done"] == 1
    assert sql.state(id) == "cancelled"


def test_options_of_a_verb_reach_its_jobs(api: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue()
    spec = {"priority": "high", "run_after": 3600.25}
    assert api.post("/operations", json={"kind": "update", "filter": {"ids": [str(id)]}, "spec": spec}).json()["done"] == 1
    assert (sql.job(id)["priority"], sql.state(id)) == (50, "scheduled")
    wrong = api.post("/operations", json={"kind": "discard", "filter": {"ids": [str(id)]}, "spec": {"force": True}})
    assert wrong.status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "delete"},
        {"kind": "cancel", "all": True, "per_second": 0},
        {"kind": "cancel", "all": True, "by": "ann"},
        {"kind": "cancel", "filter": {"state": ["succeeded"]}},
        {"kind": "cancel", "filter": {"ids": ["x"]}},
        {"kind": "update", "all": True},
    ],
)
def test_a_bad_operation_is_refused_and_none_is_there(api: httpx.Client, sql: Sql, body: dict[str, object]) -> None:
    assert api.post("/operations", json=body).status_code == 422
    assert sql.value("select count(*) from operation") == 0


def test_an_operation_is_cancelled_once(api: httpx.Client, sql: Sql) -> None:
    sql.value("select cardinality(enqueue_many('noop', (select jsonb_agg('{}'::jsonb) from generate_series(1, 20))))")
    started = api.post("/operations", json={"kind": "cancel", "all": True, "per_second": 1}).json()
    assert started["state"] == "running"
    waited = api.get(f"/operations/{started['id']}", params={"wait": 0.01}).json()
    assert waited["finished_at"] is None
    assert api.post(f"/operations/{started['id']}/cancel").json()["state"] == "cancelled"
    assert api.post(f"/operations/{started['id']}/cancel").status_code == 409
    assert api.get("/operations/99999").status_code == 404
    assert api.post("/operations/99999/cancel").status_code == 404


def test_operations_are_listed_page_by_page(api: httpx.Client) -> None:
    started = [api.post("/operations", json={"kind": "cancel", "all": True, "dry_run": True}).json()["id"] for _ in range(5)]
    seen, cursor = list[str](), None
    while True:
        page = api.get("/operations", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [one["id"] for one in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == started[::-1]


def test_a_key_for_some_queues_acts_on_these_and_sees_no_other_operation(
    app: PgQueue, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = sql.enqueue(queue="mail"), sql.enqueue(queue="bank")
    everything = sql.value("select id from start_operation('cancel', '{}', dry_run => true, is_all => true)")
    with calling(app, monkeypatch, "operator", queues=frozenset({"mail"})) as api:
        assert api.post("/operations", json={"kind": "cancel", "filter": {"queue": ["bank"]}}).status_code == 403
        started = api.post("/operations", json={"kind": "cancel", "filter": {"ids": [str(own), str(other)]}})
        assert started.json()["did"] == {"cancelled": 1}
        moved = {"kind": "update", "filter": {"queue": ["mail"]}, "spec": {"queue": "bank"}}
        assert api.post("/operations", json=moved).status_code == 403
        assert api.patch(f"/jobs/{own}", json={"queue": "bank"}).status_code == 403
        assert [one["id"] for one in api.get("/operations").json()["items"]] == [started.json()["id"]]
        assert api.get(f"/operations/{everything}").status_code == 404
        assert api.post(f"/operations/{everything}/cancel").status_code == 404
    assert (sql.state(own), sql.state(other)) == ("cancelled", "ready")
    assert sql.value("select by from audit_log where verb = 'start_operation'") == "deploy"


def test_a_preview_tells_the_number_and_starts_nothing(api: httpx.Client, sql: Sql) -> None:
    ids = [sql.enqueue(queue="mail") for _ in range(3)]
    found = api.get("/operations/preview", params={"kind": "cancel", "q": "queue:mail"}).json()
    assert (found["jobs"], found["is_over"], found["filter"]["queue"]) == (3, True, ["mail"])
    assert api.get("/operations").json()["items"] == []
    assert {sql.state(id) for id in ids} == {"ready"}
    assert api.get("/operations/preview", params={"kind": "cancel"}).status_code == 422
    assert api.get("/operations/preview", params={"kind": "cancel", "all": True}).json()["jobs"] == 3
    assert api.get("/operations/preview", params={"kind": "retry", "q": "state:running"}).status_code == 422
