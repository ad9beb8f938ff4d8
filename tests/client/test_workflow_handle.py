"""The handle of a workflow: how it stands, its result, its end, its graph."""

import asyncio
import json
import re
import threading
import time
from typing import Any

import pytest

from pgqueue import Graph, GraphEdge, GraphNode, Job, PgQueue, Task, Workflow, chain, group
from pgqueue.errors import JobCancelled, JobFailed, JobNotFound, ResultExpired, ResultTimeout, UnknownNode
from pgqueue.workflow.workflow import NamedJobs
from tests.client.manual_worker import ManualWorker
from tests.looking import Look

pytestmark = pytest.mark.usefixtures("no_drift")


@pytest.fixture
def work(app: PgQueue) -> Task[[int], int]:
    """A task that takes and returns a number."""

    @app.task
    def work(n: int) -> int:
        return n

    return work


@pytest.fixture
def total(app: PgQueue) -> Task[[list[int]], int]:
    """A task that takes a list."""

    @app.task
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    return total


def test_a_chain_has_the_result_of_its_last_call(work: Task[[int], int], manual_worker: ManualWorker) -> None:
    flow = chain(work.s(1), work.s(), work.s()).enqueue()
    manual_worker.run({"work": 1, "work-2": 2, "work-3": 3})
    assert flow.result(timeout=0) == 3


@pytest.mark.parametrize("many", [1, 3])
def test_a_group_has_a_list_of_results_in_its_order(work: Task[[int], int], manual_worker: ManualWorker, many: int) -> None:
    flow = group(work.s(n) for n in range(many)).enqueue()
    manual_worker.run(lambda job: job["args"]["n"])
    assert flow.result(timeout=0) == list(range(many))


def test_a_chain_that_ends_in_a_group_has_a_list(work: Task[[int], int], manual_worker: ManualWorker) -> None:
    flow = (work.s(1) | group(work.s(), work.s())).enqueue()
    manual_worker.run({"work-2": 2, "work-3": 3})
    assert flow.result(timeout=0) == [2, 3]


async def test_async_code_waits_with_aresult(async_app: PgQueue, work: Task[[int], int], manual_worker: ManualWorker) -> None:
    flow = await (work.s(1) | work.s()).aenqueue()
    waiting = asyncio.create_task(flow.aresult())
    await asyncio.to_thread(manual_worker.run, {"work-2": 2})
    assert await waiting == 2


def test_a_result_is_waited_for(work: Task[[int], int], manual_worker: ManualWorker) -> None:
    flow = (work.s(1) | work.s()).enqueue()
    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.append(flow.result(timeout=30)))
    waiting.start()
    manual_worker.run({"work-2": 2})
    waiting.join()
    assert got == [2]


def test_results_are_of_the_type_that_the_task_says(app: PgQueue, manual_worker: ManualWorker) -> None:
    fetch = app.task(name="fetch")(_bytes)
    flow = group(fetch.s()).enqueue()
    manual_worker.run({"fetch": "YQ=="})
    assert flow.result(timeout=0) == [b"a"]


def _bytes() -> bytes:
    return b""


def test_what_is_not_over_in_time_goes_on(work: Task[[int], int]) -> None:
    flow = (work.s(1) | work.s()).enqueue()
    with pytest.raises(ResultTimeout, match=f"workflow {flow.id} was not over within 0 s; it was not cancelled"):
        flow.result(timeout=0)
    with pytest.raises(ResultTimeout) as raised:
        flow.result(timeout=0.05)
    first, last = sorted(job.id for job in flow.jobs.values())
    assert f"; job {last} is blocked: it waits for 1 parent to end: {first} 'work' is ready; job {first}: no worker" in str(
        raised.value
    )


def test_a_failed_workflow_raises_the_error_of_its_dead_node(work: Task[[int], int], manual_worker: ManualWorker) -> None:
    flow = chain(work.s(1), work.s(), work.s(), work.s()).enqueue()
    assert manual_worker.run(failing="work-2") == ["work", "work-2"]
    with pytest.raises(JobFailed, match="ValueError: no such page") as failed:
        flow.result(timeout=0)
    assert failed.value.job_id == flow.jobs["work-2"].id
    assert failed.value.traceback == "Traceback: no such page"
    with pytest.raises(JobCancelled, match=rf"job {flow.jobs['work-2'].id} \(work-2\) failed$") as skipped:
        flow.jobs["work-4"].result(timeout=0)
    assert isinstance(skipped.value.__cause__, JobFailed)
    assert skipped.value.__cause__.job_id == flow.jobs["work-2"].id


def test_a_failure_is_raised_without_a_look_at_the_graph(
    app: PgQueue, work: Task[[int], int], manual_worker: ManualWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = chain(work.s(1), work.s(), work.s()).enqueue()
    manual_worker.run(failing="work")
    monkeypatch.setattr(Graph, "of", None)
    with pytest.raises(JobFailed, match="no such page"):
        flow.result(timeout=0)


async def test_a_failed_workflow_raises_it_in_async_code(
    async_app: PgQueue, work: Task[[int], int], manual_worker: ManualWorker
) -> None:
    flow = await (work.s(1) | work.s()).aenqueue()
    manual_worker.run(failing="work")
    with pytest.raises(JobFailed, match="no such page"):
        await flow.aresult(timeout=0)


def test_the_last_node_may_be_the_dead_one(work: Task[[int], int], manual_worker: ManualWorker) -> None:
    flow = (work.s(1) | work.s()).enqueue()
    manual_worker.run(failing="work-2")
    with pytest.raises(JobFailed) as failed:
        flow.result(timeout=0)
    assert failed.value.job_id == flow.jobs["work-2"].id


@pytest.fixture
def minded(app: PgQueue, work: Task[[int], int]) -> Workflow[Any]:
    """A workflow with nodes that run after a failure, and one that runs whatever happens."""
    builder = app.workflow()
    builder.add(work, (1,), name="try")
    builder.add(work, (2,), name="mend", after="try", when="failed")
    builder.add(work, (3,), name="report", after="mend")
    return builder.enqueue()


def test_what_runs_after_a_failure_is_no_last_node(app: PgQueue, minded: Workflow[Any], manual_worker: ManualWorker) -> None:
    manual_worker.run({"try": "fine"})
    assert minded.result(timeout=0) == app.get_workflow(minded.id).result(timeout=0) == "fine"


def test_a_failure_is_raised_whatever_ran_after_it(app: PgQueue, minded: Workflow[Any], manual_worker: ManualWorker) -> None:
    assert manual_worker.run(failing="try") == ["try", "mend", "report"]
    for flow in (minded, app.get_workflow(minded.id)):
        with pytest.raises(JobFailed, match="no such page"):
            flow.result(timeout=0)


def test_what_runs_whatever_happens_is_a_last_node(app: PgQueue, work: Task[[int], int], manual_worker: ManualWorker) -> None:
    builder = app.workflow()
    builder.add(work, (1,), name="try")
    builder.add(work, (2,), name="mend", after="try", when="failed")
    builder.add(work, (3,), name="clean up", after=["try", "mend"], when="finished")
    flow = builder.enqueue()
    assert manual_worker.run({"clean up": "clean"}) == ["try", "clean up"]
    assert flow.result(timeout=0) == app.get_workflow(flow.id).result(timeout=0) == "clean"


def test_what_was_cancelled_is_named(app: PgQueue, work: Task[[int], int]) -> None:
    flow = chain(work.s(1), work.s(), work.s()).enqueue()
    app.cancel(flow.jobs["work"].id)
    with pytest.raises(
        JobCancelled, match=rf"was cancelled \(dependency_failed\): job {flow.jobs['work'].id} \(work\) cancelled$"
    ):
        flow.result(timeout=0)
    alone = group(work.s(1)).enqueue()
    app.cancel(alone.jobs["work"].id)
    with pytest.raises(JobCancelled, match="was cancelled"):
        alone.result(timeout=0)


def test_a_result_that_is_gone_is_expired(work: Task[[int], int], manual_worker: ManualWorker) -> None:
    flow = group(work.s(1)).enqueue()
    manual_worker.run({"work": 1})
    flow.jobs["work"].delete_result()
    with pytest.raises(ResultExpired):
        flow.result()


def test_nodes_that_were_added_behind_the_last_are_waited_for(work: Task[[int], int], manual_worker: ManualWorker) -> None:
    flow: Workflow[Any] = group(work.s(1)).enqueue()
    (first,) = manual_worker.claim()
    more = {"task": "work", "args": {}, "after": [{"job": first["id"]}], "takes": "n"}
    manual_worker.finish(first, [{**more, "name": "a"}, {**more, "name": "b"}], result=1)
    with pytest.raises(ResultTimeout):
        flow.result(timeout=0)
    manual_worker.run({"a": "x", "b": "y"})
    assert flow.result(timeout=0) == ["x", "y"]


def test_a_handle_by_id_is_as_good(
    app: PgQueue, work: Task[[int], int], total: Task[[list[int]], int], manual_worker: ManualWorker
) -> None:
    flow = chain(work.map([1, 2]), total.s()).enqueue()
    manual_worker.run({"total": 3})
    found = app.get_workflow(flow.id)
    assert found.result(timeout=0) == 3
    assert {name: job.id for name, job in found.jobs.items()} == {name: job.id for name, job in flow.jobs.items()}
    assert found.jobs["total"].result() == 3


async def test_a_handle_by_id_in_async_code(async_app: PgQueue, work: Task[[int], int]) -> None:
    flow = await (work.s(1) | work.s()).aenqueue()
    found = async_app.get_workflow(flow.id)
    assert list(await found.ajobs()) == ["work", "work-2"]
    assert (await found.arefresh()).status == "running"


def test_it_stands_as_of_the_last_look(work: Task[[int], int], manual_worker: ManualWorker) -> None:
    flow = (work.s(1) | work.s()).enqueue()
    assert (flow.status, flow.progress.nodes, flow.progress.open) == ("running", 2, 2)
    assert {state: n for state, n in flow.counts.items() if n} == {"ready": 1, "blocked": 1}
    manual_worker.run()
    assert flow.status == "running"
    assert flow.refresh().status == "succeeded"
    assert flow.progress.is_over
    assert flow.progress.finished_at is not None
    assert flow.counts == {**dict.fromkeys(flow.counts, 0), "succeeded": 2}


def test_watching_tells_of_each_change_until_the_end(work: Task[[int], int], manual_worker: ManualWorker) -> None:
    flow = (work.s(1) | work.s()).enqueue()
    seen = []
    for progress in flow.watch(timeout=30):
        seen.append((progress.status, progress.succeeded))
        for job in manual_worker.claim():
            manual_worker.finish(job)
    assert seen == [("running", 0), ("running", 1), ("succeeded", 2)]


async def test_async_code_watches_with_awatch(async_app: PgQueue, work: Task[[int], int], manual_worker: ManualWorker) -> None:
    flow = await (work.s(1) | work.s()).aenqueue()
    seen = []
    async for progress in flow.awatch(timeout=30):
        seen.append(progress.succeeded)
        for job in manual_worker.claim():
            manual_worker.finish(job)
    assert seen == [0, 1, 2]


def test_watching_ends_at_its_timeout(app: PgQueue, work: Task[[int], int]) -> None:
    flow = group(work.s(1)).enqueue()
    with pytest.raises(ResultTimeout, match="was not over within 0 s"):
        list(app.get_workflow(flow.id).watch(timeout=0))


def test_it_can_be_cancelled(work: Task[[int], int], manual_worker: ManualWorker, look: Look) -> None:
    flow = chain(work.s(1), work.s(), work.s()).enqueue()
    assert flow.cancel() == 3
    assert flow.refresh().status == "cancelled"
    assert [look.state(job.id) for job in flow.jobs.values()] == ["cancelled"] * 3
    assert manual_worker.run() == []


def test_its_dead_letters_can_run_again(work: Task[[int], int], manual_worker: ManualWorker) -> None:
    flow = chain(work.s(1), work.s(), work.s()).enqueue()
    manual_worker.run(failing="work-2")
    assert flow.refresh().status == "failed"
    assert flow.retry() == 1
    assert flow.refresh().status == "running"
    assert manual_worker.run({"work-3": 3}) == ["work-2", "work-3"]
    assert flow.result(timeout=0) == 3


async def test_async_code_cancels_and_retries(async_app: PgQueue, work: Task[[int], int]) -> None:
    flow = await (work.s(1) | work.s()).aenqueue()
    assert await flow.acancel() == 2
    assert await flow.aretry() == 0


@pytest.mark.parametrize("do", [Workflow.cancel, Workflow.retry, Workflow.refresh, Workflow.graph, Workflow.result])
def test_what_does_not_exist_is_not_found(app: PgQueue, do: Any) -> None:
    with pytest.raises(JobNotFound, match="there is no workflow 404"):
        do(app.get_workflow(404))


def test_its_graph_has_generations(work: Task[[int], int], total: Task[[list[int]], int], manual_worker: ManualWorker) -> None:
    flow = (work.s(1) | group(work.s(), work.s()) | total.s()).enqueue()
    manual_worker.run(failing="work-2")
    graph = flow.graph()
    assert [[node.name for node in wave] for wave in graph.generations] == [["work"], ["work-2", "work-3"], ["total"]]
    assert {node.name: node.state for node in graph.nodes} == {
        "work": "succeeded",
        "work-2": "failed",
        "work-3": "succeeded",
        "total": "skipped",
    }
    names = {node.id: node.name for node in graph.nodes}
    assert [names[edge.parent] for edge in graph.edges if names[edge.child] == "total"] == ["work-2", "work-3"]


def test_a_graph_of_what_grows_has_no_edge_without_its_nodes(
    app: PgQueue, work: Task[[int], int], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = (work.s(1) | work.s()).enqueue()
    run = app.database.run

    def grow_afterwards(call: Any, connection: Any = None) -> Any:
        answer = run(call, connection)
        look.value("select extend_workflow(%s, %s)", flow.id, json.dumps([{"task": "work", "after": ["work"]}]))
        return answer

    monkeypatch.setattr(app.database, "run", grow_afterwards)
    graph = flow.graph()
    assert {edge.child for edge in graph.edges} <= graph.by_id.keys()
    assert len(graph.generations[0]) == 2


async def test_its_graph_in_async_code(async_app: PgQueue, work: Task[[int], int]) -> None:
    flow = await (work.s(1) | work.s()).aenqueue()
    assert len((await flow.agraph()).edges) == 1


def test_a_graph_is_json(work: Task[[int], int]) -> None:
    flow = (work.s(1) | work.s()).enqueue()
    read = json.loads(flow.graph().to_json())
    assert [node["name"] for node in read["nodes"]] == ["work", "work-2"]
    assert read["edges"] == [{"parent": flow.jobs["work"].id, "child": flow.jobs["work-2"].id, "when": "succeeded"}]


def test_a_graph_can_be_drawn() -> None:
    nodes = [GraphNode(1, "fetch", "fetch", state="succeeded"), GraphNode(2, None, "clean <up>", state="blocked")]
    drawn = Graph(nodes, [GraphEdge(1, 2, "finished"), GraphEdge(1, 2)]).to_mermaid()
    assert drawn.splitlines()[:5] == [
        "flowchart TD",
        '    n1["fetch"]:::succeeded',
        '    n2["clean #60;up#62;"]:::blocked',
        "    n1 -. finished .-> n2",
        "    n1 --> n2",
    ]


@pytest.mark.parametrize("label", ['"]; click n1 "javascript:alert(1)"', "a\nb", "`x`", "#35;", "end"])
def test_a_label_means_nothing_to_what_draws_it(label: str) -> None:
    drawn = Graph([GraphNode(1, label, "x")], []).to_mermaid()
    (line,) = (line for line in drawn.splitlines() if "n1[" in line)
    assert re.fullmatch(r'    n1\["(?:[\w .:-]|#\d+;)*"\]:::blocked', line)


def test_a_name_that_is_nobodys_is_answered_with_those_there_are(app: PgQueue, work: Task[[int], int]) -> None:
    flow = app.workflow()
    flow.add(work, (1,), name="fetch")
    flow.add(work, (2,), name="parse")
    started = flow.enqueue()
    for jobs in (started.jobs, app.get_workflow(started.id).jobs):
        with pytest.raises(KeyError, match=r"^jobs: there is no node 'ftech'; there are: 'fetch', 'parse'$"):
            jobs["ftech"]
        assert jobs.get("ftech") is None


def test_of_many_names_some_are_listed() -> None:
    jobs = NamedJobs({f"n{number}": Job.__new__(Job) for number in range(25)})
    with pytest.raises(UnknownNode, match=r"'n19' and 5 more$"):
        jobs["x"]
    with pytest.raises(UnknownNode, match=r"there are: none$"):
        NamedJobs()["x"]


def test_the_jobs_of_a_graph_that_nobody_named_are_found(
    app: PgQueue, work: Task[[int], int], manual_worker: ManualWorker
) -> None:
    first = work.enqueue(1)
    second = work.using(depends_on=first).enqueue(2)
    found = app.get_workflow(second.row["workflow_id"])
    assert {name: job.id for name, job in found.jobs.items()} == {"work": first.id, "work-2": second.id}
    manual_worker.run(lambda job: job["args"]["n"])
    assert found.result(timeout=0) == 2


def test_the_jobs_of_ten_thousand_nodes_that_nobody_named_are_found_in_a_moment(app: PgQueue) -> None:
    rows = [{"job_id": id, "name": None, "task": "work"} for id in range(1, 10_001)]
    began = time.process_time()
    jobs = Workflow(app, 1)._named(rows)
    assert (len(jobs), jobs["work-10000"].id) == (10_000, 10_000)
    assert time.process_time() - began < 2, "it took longer for each than for the one before"
