"""Large values of a job are left out where they are not asked for; its last lines, and the jobs around it."""

import json

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.api.bodies.jobs import JobOut, RelativesOut
from tests.api.callers import calling
from tests.api.shapes import read
from tests.sql.conftest import Sql
from tests.sql.flows import node, start


def test_what_is_larger_than_asked_is_left_out_and_its_size_told(api: httpx.Client, sql: Sql) -> None:
    id, token = sql.running(args={"text": "x" * 500}, meta=json.dumps({"by": "ann"}))
    sql.value("select save_step(%s, %s, 'large', %s, 0.1)", id, token, json.dumps("y" * 300))
    sql.value("select save_step(%s, %s, 'small', '1', 0.1)", id, token)
    sql.value("select signal(%s, 'told', %s)", id, json.dumps("z" * 200))
    sql.finish(token, {"id": id, "state": "succeeded", "result": "r" * 1000})
    found = read(api.get(f"/jobs/{id}", params={"most": 100}), JobOut)
    assert (found.args, found.result, found.meta) == (None, None, {"by": "ann"})
    assert found.sizes == {"args": 512, "result": 1002}
    assert [(step.name, step.value, step.size) for step in found.steps] == [("large", None, 302), ("small", 1, None)]
    assert [(signal.payload, signal.size) for signal in found.signals] == [(None, 202)]
    whole = read(api.get(f"/jobs/{id}"), JobOut)
    assert (whole.args, whole.sizes) == ({"text": "x" * 500}, None)
    all_of_it = read(api.get(f"/jobs/{id}", params={"most": 10_000}), JobOut)
    assert (all_of_it.args, all_of_it.result, all_of_it.sizes) == (whole.args, whole.result, {})


def test_sizes_are_hidden_with_what_they_are_sizes_of(app: PgQueue, monkeypatch: pytest.MonkeyPatch, sql: Sql) -> None:
    id = sql.enqueue(args={"text": "x" * 500})
    with calling(app, monkeypatch, "viewer", may_read_arguments=False) as client:
        found = read(client.get(f"/jobs/{id}", params={"most": 100}), JobOut)
    assert (found.args, found.sizes) == (None, None)


def test_the_last_lines_come_first_if_asked_and_page_by_page(api: httpx.Client, sql: Sql) -> None:
    id, token = sql.running()
    lines = [{"n": n, "ago": 0, "level": "info", "message": f"line {n}"} for n in range(1, 8)]
    worker = sql.value("select worker_id from job where id = %s", id)
    sql.rows("select add_log(%s, %s)", worker, json.dumps([{"id": id, "token": str(token), "attempt": 1, "lines": lines}]))
    first = api.get(f"/jobs/{id}/logs", params={"order": "last", "limit": 3}).json()
    assert [line["message"] for line in first["items"]] == ["line 7", "line 6", "line 5"]
    second = api.get(f"/jobs/{id}/logs", params={"order": "last", "limit": 4, "cursor": first["next"]}).json()
    assert [line["message"] for line in second["items"]] == ["line 4", "line 3", "line 2", "line 1"]
    assert second["next"] is None
    assert api.get(f"/jobs/{id}/logs", params={"cursor": first["next"]}).status_code == 422, "it is a cursor of the other order"


def test_the_jobs_around_a_node_are_told_and_bounded(api: httpx.Client, sql: Sql) -> None:
    flow = start(sql, node("a"), node("b"), node("join", "b", "a"), *(node(f"c{n}", "join") for n in range(5)))
    flow.run("a")
    found = read(api.get(f"/jobs/{flow['join']}/relatives", params={"limit": 3}), RelativesOut)
    assert [(one.name, one.state, one.when) for one in found.parents] == [
        ("b", "ready", "succeeded"),
        ("a", "succeeded", "succeeded"),
    ]
    assert [(one.name, one.state) for one in found.children] == [("c0", "blocked"), ("c1", "blocked"), ("c2", "blocked")]
    assert (found.more_parents, found.more_children) == (False, True)
    plain = read(api.get(f"/jobs/{sql.enqueue()}/relatives"), RelativesOut)
    assert (plain.parents, plain.children) == ([], [])


def test_a_key_for_some_queues_sees_the_jobs_around_one_in_these_queues_only(
    app: PgQueue, monkeypatch: pytest.MonkeyPatch, sql: Sql
) -> None:
    flow = start(sql, node("a", queue="mail"), node("b"), node("join", "a", "b", queue="mail"))
    with calling(app, monkeypatch, "viewer", queues=frozenset({"mail"})) as client:
        found = read(client.get(f"/jobs/{flow['join']}/relatives"), RelativesOut)
        assert [one.name for one in found.parents] == ["a"]
        assert client.get(f"/jobs/{flow['b']}/relatives").status_code == 404


def test_what_an_error_says_is_told_by_no_cause_to_a_key_that_may_not_read_errors(
    app: PgQueue, monkeypatch: pytest.MonkeyPatch, sql: Sql
) -> None:
    error = {"type": "app.Refused", "types": ["app.Refused"], "message": "ann@example.org: no such mailbox"}
    for final in (True, False):
        id, token = sql.running()
        sql.finish(token, {"id": id, "state": "failed", "final": final, "delay": 3600, "elapsed": 0.1, "error": error})
        for may_read in (True, False):
            with calling(app, monkeypatch, "viewer", may_read_arguments=may_read) as client:
                text = client.get(f"/jobs/{id}/explain").text
            assert "Refused" in text
            assert ("ann@example.org" in text) == may_read
