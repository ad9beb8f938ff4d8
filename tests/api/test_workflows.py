"""Workflows over HTTP: submit, look at, cancel, retry."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pgqueue import PgQueue, Retry
from pgqueue.api.bodies.pages import Page
from pgqueue.api.bodies.workflows import (
    CancelledOut,
    GraphOut,
    NodeOut,
    RetriedNodes,
    ShapeOut,
    WorkflowAdded,
    WorkflowDetail,
    WorkflowOut,
)
from pgqueue.api.routes import workflows as routes
from tests.api.shapes import read, refused
from tests.client.manual_worker import ManualWorker
from tests.looking import Look

DIAMOND = {
    "name": "report",
    "nodes": [
        {"name": "store", "task": "store", "after": ["left", {"name": "right", "when": "finished"}]},
        {"name": "left", "task": "left", "after": ["fetch"], "takes": "page"},
        {"name": "right", "task": "right", "after": ["fetch"]},
        {"name": "fetch", "task": "fetch", "args": {"url": "https://a.example"}},
    ],
}


def _add(api: httpx.Client, body: dict[str, Any] = DIAMOND) -> WorkflowAdded:
    return read(api.post("/workflows", json=body), WorkflowAdded, 201)


def _chain(*tasks: str) -> dict[str, Any]:
    return {"nodes": [{"name": task, "task": task, "after": list(tasks[:n])[-1:]} for n, task in enumerate(tasks)]}


def test_nodes_run_after_their_parents_in_whatever_order_they_are_written(
    api: httpx.Client, manual_worker: ManualWorker, look: Look
) -> None:
    answer = api.post("/workflows", json=DIAMOND)
    added = read(answer, WorkflowAdded, 201)
    assert [node.name for node in added.nodes] == ["store", "left", "right", "fetch"]
    assert added.last == [added.nodes[0].id]
    assert answer.headers["location"] == f"/api/v1/workflows/{added.id}"
    for node in added.nodes:
        assert look.job(int(node.id))["task"] == node.name
    assert manual_worker.run({"fetch": "text"}) == ["fetch", "left", "right", "store"]
    now = read(api.get(f"/workflows/{added.id}"), WorkflowDetail)
    assert (now.status, now.succeeded, now.open, now.name) == ("succeeded", 4, 0, "report")
    assert [(task.task, task.state, task.nodes) for task in now.tasks or ()] == [
        ("fetch", "succeeded", 1), ("left", "succeeded", 1), ("right", "succeeded", 1), ("store", "succeeded", 1)
    ]  # fmt: skip


def test_a_node_that_takes_a_result_gets_it(api: httpx.Client, look: Look) -> None:
    added = _add(api)
    (row,) = look.rows("select takes, takes_all from workflow_node where name = 'left'")
    assert row == {"takes": "page", "takes_all": False}
    body = {"nodes": [{"name": "a", "task": "t"}, {"name": "b", "task": "t", "after": ["a"], "takes": "x", "takes_all": True}]}
    assert _add(api, body).id > added.id
    assert look.value("select takes_all from workflow_node where name = 'b'")


def test_each_option_of_a_node_reaches_its_job(api: httpx.Client, look: Look) -> None:
    node = {
        "task": "send", "args": {"n": 2**63}, "queue": "mail", "priority": "high", "run_after": 60, "timeout": 10,
        "soft_timeout": "50%", "expires_after": 600, "total_timeout": 900, "limits": ["tenant:1"], "fair": "x", "cost": 2,
        "result_ttl": 5, "meta": {"a": 1}, "retry": {"retries": 7, "backoff": "linear", "delay": 10},
        "unique": {"mode": "until_done", "key": "all"},
    }  # fmt: skip
    look.rows("select set_limit('tenant', max_running => 5)")
    added = _add(api, {"nodes": [node]})
    job = look.job(int(added.nodes[0].id))
    assert (job["queue"], job["priority"], job["state"], job["max_attempts"]) == ("mail", 50, "scheduled", 8)
    assert (job["limits"], job["cost"], job["meta"], job["args"]) == (["tenant:1", "x"], 2, {"a": 1}, {"n": 2**63})
    terms = job["terms"]
    assert (terms["timeout"], terms["soft_timeout"], terms["expires_after"], terms["total_timeout"]) == (10, 5, 600, 900)
    assert look.value("select retry from job") == {"backoff": "linear", "delay": 10}
    assert look.value("select unique_key is not null from job")


def test_a_task_that_the_server_knows_brings_its_options_and_checks_arguments(
    app: PgQueue, api: httpx.Client, look: Look
) -> None:
    @app.task(queue="mail", retry=Retry(9, delay=2))
    def send(to: int, text: str = "") -> None: ...

    added = _add(api, {"nodes": [{"task": "send", "args": {"to": 1}}, {"task": "send", "args": {"to": 2}, "queue": "fast"}]})
    first, second = (look.job(int(node.id)) for node in added.nodes)
    assert [(job["queue"], job["max_attempts"]) for job in (first, second)] == [("mail", 10), ("fast", 10)]
    for args, why in (({"to": "x"}, "to"), ({}, "misses"), ({"to": 1, "cc": 2}, "cc")):
        assert why in refused(api.post("/workflows", json={"nodes": [{"task": "send", "args": args}]}), 422)
    assert look.live() == 2


def test_arguments_that_a_parent_gives_may_be_missing(app: PgQueue, api: httpx.Client) -> None:
    @app.task
    def store(page: str, to: int) -> None: ...

    body = _chain("fetch", "store")
    body["nodes"][1] |= {"takes": "page", "args": {"to": 1}}
    _add(api, body)
    body["nodes"][1]["args"]["page"] = "x"
    assert "nodes.1.args" in refused(api.post("/workflows", json=body), 422)
    body["nodes"][1] |= {"takes": "sheet", "args": {"to": 1}}
    assert "sheet" in refused(api.post("/workflows", json=body), 422)


def test_the_id_of_the_request_and_its_callbacks_reach_the_jobs(
    api: httpx.Client, manual_worker: ManualWorker, look: Look
) -> None:
    body = _chain("a") | {"on_success": {"task": "done", "args": {"x": 1}}, "on_failure": {"task": "oh"}}
    added = read(api.post("/workflows", json=body, headers={"X-Request-ID": "r-5"}), WorkflowAdded, 201)
    assert look.job(int(added.nodes[0].id))["terms"]["trace"] == {"request_id": "r-5"}
    assert manual_worker.run() == ["a", "done"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"nodes": []}, "nodes"),
        (_chain("a") | {"colour": 1}, "colour"),
        ({"nodes": [{"name": "a", "task": "t"}, {"name": "a", "task": "t"}]}, "two nodes have this name"),
        ({"nodes": [{"name": "a", "task": "t", "after": ["b"]}]}, "b"),
        ({"nodes": [{"name": "a", "task": "t", "after": ["b"]}, {"name": "b", "task": "t", "after": ["a"]}]}, "cycle"),
        ({"nodes": [{"name": "a", "task": "t", "after": ["a"]}]}, "cycle"),
        ({"nodes": [{"task": "t", "takes_all": True}]}, "takes"),
        ({"nodes": [{"task": "t"}, {"task": "t", "priority": 500}]}, "priority"),
        ({"nodes": [{"task": "t", "priority": "top"}]}, "priority"),
        ({"nodes": [{"task": "t", "retry": {"backoff": "x"}}]}, "backoff"),
        ({"nodes": [{"task": "t", "run_at": "2030-01-01T00:00:00"}]}, "run_at"),
        ({"nodes": [{"task": "t", "soft_timeout": "x%"}]}, "nodes.0.soft_timeout"),
        ({"nodes": [{"task": "t", "unique": "period"}]}, "nodes.0.unique"),
        ({"nodes": [{"task": "t", "expires_at": "2030-01-01T00:00:00Z", "expires_after": 5}]}, "nodes.0.expires_at"),
        ({"nodes": [{"task": "t", "args": [1]}]}, "args"),
        ({"nodes": [{"task": "t", "queue": "a b"}]}, "queue"),
        ({"nodes": [{"task": "\0"}]}, ""),
        ({"nodes": [{"task": "t", "args": {"\0": 1}}]}, ""),
        (_chain("a") | {"on_success": {"task": "t", "meta": {}}}, "on_success"),
        (_chain("a") | {"on_failure": {"task": "t", "unique": "until_done"}}, "on_failure"),
    ],
)
def test_bad_workflows_are_refused_and_nothing_is_added(api: httpx.Client, look: Look, body: dict[str, Any], why: str) -> None:
    assert why in refused(api.post("/workflows", json=body), 422)
    assert (look.live(), look.rows("select from workflow")) == (0, [])


def test_numbers_of_arguments_stay_as_they_were_sent(api: httpx.Client, look: Look) -> None:
    body = b'{"nodes": [{"task": "t", "args": {"n": 9007199254740993, "f": 1.10, "big": ' + b"9" * 400 + b"}}]}"
    answer = api.post("/workflows", content=body, headers={"Content-Type": "application/json"})
    id = int(read(answer, WorkflowAdded, 201).nodes[0].id)
    assert look.value("select args::text from job where id = %s", id) == '{"f": 1.10, "n": 9007199254740993, "big": %s}' % (
        "9" * 400
    )


@pytest.mark.parametrize("field", ["args", "meta", "retry"])
@pytest.mark.parametrize("value", [r'"\ud800"', "[" * 900 + "]" * 900])
def test_values_that_cannot_be_stored_are_named(api: httpx.Client, look: Look, field: str, value: str) -> None:
    body = f'{{"nodes": [{{"task": "t", "{field}": {{"a": {value}}}}}]}}'
    answer = api.post("/workflows", content=body, headers={"Content-Type": "application/json"})
    assert field in refused(answer, 422)
    assert look.live() == 0


def test_a_large_workflow_is_written_beside_the_event_loop(api: httpx.Client, look: Look) -> None:
    nodes = [{"name": f"n{n}", "task": "t", "after": [f"n{n - 1}"] if n else []} for n in range(routes.AT_ONCE + 1)]
    added = _add(api, {"nodes": nodes[::-1]})
    assert added.last == [added.nodes[0].id]
    assert look.live() == len(nodes)


def test_a_unique_job_in_the_way_is_a_conflict(api: httpx.Client, look: Look) -> None:
    body = {"nodes": [{"task": "t", "unique": "until_done"}]}
    _add(api, body)
    refused(api.post("/workflows", json=body), 409)
    assert look.live() == 1


def test_workflows_are_listed_page_by_page_and_by_status(api: httpx.Client, manual_worker: ManualWorker) -> None:
    ids = [_add(api, _chain("a")).id for _ in range(3)]
    manual_worker.run()
    ids += [_add(api, _chain("b")).id for _ in range(2)]
    first = read(api.get("/workflows?limit=3"), Page[WorkflowOut])
    second = read(api.get(f"/workflows?limit=3&cursor={first.next}"), Page[WorkflowOut])
    assert [flow.id for flow in first.items + second.items] == ids[::-1]
    assert second.next is None
    assert [flow.id for flow in read(api.get("/workflows?status=running"), Page[WorkflowOut]).items] == ids[:2:-1]
    refused(api.get("/workflows?status=open"), 422, "status")


def test_nodes_are_paged_and_say_why_they_failed(
    api: httpx.Client, manual_worker: ManualWorker, calls_as: Callable[..., None]
) -> None:
    added = _add(api, _chain("a", "b", "c"))
    manual_worker.run(failing="b")
    first = read(api.get(f"/workflows/{added.id}/nodes?limit=2"), Page[NodeOut])
    second = read(api.get(f"/workflows/{added.id}/nodes?limit=2&cursor={first.next}"), Page[NodeOut])
    nodes = first.items + second.items
    assert [(node.name, node.state) for node in nodes] == [("a", "succeeded"), ("b", "failed"), ("c", "skipped")]
    assert (nodes[1].error_type, nodes[1].error_message) == ("ValueError", "no such page")
    calls_as(may_read_arguments=False)
    nodes = read(api.get(f"/workflows/{added.id}/nodes"), Page[NodeOut]).items
    assert (nodes[1].error_type, nodes[1].error_message) == ("ValueError", None)


def test_the_graph_is_json_or_mermaid(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    added = _add(api)
    ids = {node.name: node.id for node in added.nodes}
    graph = read(api.get(f"/workflows/{added.id}/graph"), GraphOut)
    assert {node.name for node in graph.nodes} == ids.keys()
    assert {(edge.parent_id, edge.child_id, edge.when) for edge in graph.edges} == {
        (ids["fetch"], ids["left"], "succeeded"), (ids["fetch"], ids["right"], "succeeded"),
        (ids["left"], ids["store"], "succeeded"), (ids["right"], ids["store"], "finished"),
    }  # fmt: skip
    drawn = api.get(f"/workflows/{added.id}/graph?format=mermaid")
    assert drawn.headers["content-type"].startswith("text/plain")
    assert drawn.text.startswith("flowchart TD")
    monkeypatch.setattr(routes, "MOST_DRAWN", 3)
    assert "/nodes" in refused(api.get(f"/workflows/{added.id}/graph"), 409)


def test_the_shape_has_boxes_and_edges(api: httpx.Client, manual_worker: ManualWorker) -> None:
    wide = [{"name": f"p{n}", "task": "parse", "after": ["fetch"]} for n in range(7)]
    added = _add(
        api, {"nodes": [{"name": "fetch", "task": "fetch"}, *wide, {"task": "store", "after": [f"p{n}" for n in range(7)]}]}
    )
    manual_worker.run(failing="p3")
    found = read(api.get(f"/workflows/{added.id}/shape"), ShapeOut)
    assert [(box.kind, box.task, box.nodes, box.succeeded, box.failed) for box in found.boxes] == [
        ("node", "fetch", 1, 1, 0), ("task", "parse", 7, 6, 1), ("node", "store", 1, 0, 0)
    ]  # fmt: skip
    ids = [box.id for box in found.boxes]
    assert [(edge.parent_id, edge.child_id, edge.edges) for edge in found.edges] == [(ids[0], ids[1], 7), (ids[1], ids[2], 7)]
    refused(api.get(f"/workflows/{added.id}/shape", params={"most": 5}), 422)


def test_nodes_are_found_by_state_and_task(api: httpx.Client, manual_worker: ManualWorker) -> None:
    added = _add(api, _chain("a", "b", "c", "d"))
    manual_worker.run(failing="b")
    _add(api, _chain("a", "b"))

    def found(**query: str) -> list[str]:
        page = read(api.get(f"/workflows/{added.id}/nodes", params=query), Page[NodeOut])
        return [node.task for node in page.items]

    assert found(state="failed") == ["b"]
    assert found(state="skipped") == ["c", "d"]
    assert found(state="ready") == []
    assert found(task="a") == ["a"]
    assert found(task="a", state="failed") == []
    read(api.post(f"/workflows/{added.id}/retry"), RetriedNodes)
    assert (found(state="ready"), found(state="blocked")) == (["b"], ["c", "d"])
    first = read(api.get(f"/workflows/{added.id}/nodes", params={"state": "blocked", "limit": 1}), Page[NodeOut])
    assert found(state="blocked", limit="1", cursor=str(first.next)) == ["d"]


def test_workflows_are_found_by_a_part_of_their_name_and_large_ones_need_not_be_counted(api: httpx.Client) -> None:
    small, large = _add(api, _chain("a") | {"name": "Nightly load"}), _add(api, _chain("a", "b", "c") | {"name": "nightly"})
    _add(api, _chain("a"))
    page = read(api.get("/workflows", params={"name": "NIGHT", "count_up_to": 2}), Page[WorkflowOut])
    assert [(one.id, one.nodes, one.open, one.ready, one.blocked) for one in page.items] == [
        (large.id, 3, 3, None, None), (small.id, 1, 1, 1, 0)
    ]  # fmt: skip
    assert [one.id for one in read(api.get("/workflows", params={"name": "y l"}), Page[WorkflowOut]).items] == [small.id]
    counted = read(api.get("/workflows", params={"status": "running", "count_up_to": 2, "limit": 1}), Page[WorkflowOut])
    assert len(counted.items) == 1
    assert counted.next
    assert read(api.get(f"/workflows/{small.id}", params={"tasks": "false"}), WorkflowDetail).tasks is None


def test_a_workflow_is_cancelled_and_that_is_audited(api: httpx.Client, look: Look, calls_as: Callable[..., None]) -> None:
    calls_as(name="deploy")
    added = _add(api)
    assert read(api.post(f"/workflows/{added.id}/cancel"), CancelledOut).cancelled == 4
    assert read(api.get(f"/workflows/{added.id}"), WorkflowDetail).status == "cancelled"
    assert read(api.post(f"/workflows/{added.id}/cancel"), CancelledOut).cancelled == 0
    assert [(row["verb"], row["by"]) for row in look.rows("select verb, by from audit")] == [("cancel_workflow", "deploy")]


def test_the_dead_letters_of_a_workflow_run_again(
    api: httpx.Client, manual_worker: ManualWorker, look: Look, calls_as: Callable[..., None]
) -> None:
    calls_as(name="deploy")
    added = _add(api, _chain("a", "b", "c"))
    manual_worker.run(failing="b")
    assert read(api.post(f"/workflows/{added.id}/retry"), RetriedNodes).retried == 1
    assert manual_worker.run() == ["b", "c"]
    assert look.rows("select by from audit where verb = 'retry_workflow'") == [{"by": "deploy"}]


def test_a_workflow_that_is_not_there_is_not_found(api: httpx.Client) -> None:
    for path in ("", "/nodes", "/graph", "/shape"):
        refused(api.get(f"/workflows/5{path}"), 404)
        refused(api.get(f"/workflows/x{path}"), 422, "workflow_id")
    for verb in ("cancel", "retry"):
        refused(api.post(f"/workflows/5/{verb}"), 404)


def test_a_key_for_some_queues_adds_only_jobs_of_these(api: httpx.Client, look: Look, calls_as: Callable[..., None]) -> None:
    calls_as(queues=frozenset({"mail"}), role="producer")
    mine = {"task": "t", "queue": "mail"}
    _add(api, {"nodes": [mine]})
    for body in ({"nodes": [mine, {"task": "t"}]}, {"nodes": [mine], "on_success": {"task": "t"}}):
        refused(api.post("/workflows", json=body), 403)
    assert look.live() == 1
