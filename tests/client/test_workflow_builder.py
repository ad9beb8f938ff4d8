"""Workflows with names and edges of any shape, and canvases, as the database gets them."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from pgqueue import EnqueueCall, PgQueue, chain, group
from pgqueue.errors import InvalidArgument, PgQueueError, WrongConnection
from pgqueue.testing import inline
from tests.client.manual_worker import ManualWorker
from tests.looking import Look

pytestmark = pytest.mark.usefixtures("no_drift")


@pytest.fixture
def tasks(app: PgQueue) -> Any:
    """Tasks of several shapes."""

    class Tasks:
        @staticmethod
        @app.task
        def fetch(url: str) -> bytes:
            return url.encode()

        @staticmethod
        @app.task
        def parse(document: bytes, pages: int = 3) -> list[str]:
            return []

        @staticmethod
        @app.task
        def store(parts: list[str], bucket: str = "b") -> int:
            return 1

        @staticmethod
        @app.task
        def tell(text: str = "done") -> None: ...

    return Tasks


def parents(look: Look, workflow: int) -> dict[str, list[str]]:
    rows = look.rows(
        "select c.name as child, array_agg(p.name order by e.position) as parents from workflow_edge e "
        "join workflow_node c on c.job_id = e.child_id join workflow_node p on p.job_id = e.parent_id "
        "where e.workflow_id = %s group by c.name",
        workflow,
    )
    return {row["child"]: row["parents"] for row in rows}


def test_a_workflow_is_there_when_enqueue_returns(app: PgQueue, tasks: Any, look: Look) -> None:
    flow = app.workflow("import")
    flow.add(tasks.fetch, ("u",), name="fetch")
    flow.add(tasks.parse.s(1), name="parse", after=["fetch"])
    flow.add(tasks.tell, {"text": "x"}, name="clean up", after=["parse"], when="finished")
    started = flow.enqueue()
    assert list(started.jobs) == ["fetch", "parse", "clean up"]
    assert parents(look, started.id) == {"parse": ["fetch"], "clean up": ["parse"]}
    assert look.value("select name from workflow where id = %s", started.id) == "import"
    assert look.job(started.jobs["parse"].id)["args"] == {"pages": 1}
    assert [look.state(job.id) for job in started.jobs.values()] == ["ready", "blocked", "blocked"]
    assert look.value("select run_if from workflow_edge where child_id = %s", started.jobs["clean up"].id) == "finished"


async def test_async_code_enqueues_workflows_with_aenqueue(async_app: PgQueue, tasks: Any, look: Look) -> None:
    flow = async_app.workflow()
    flow.add(tasks.fetch, ("u",))
    assert look.state((await flow.aenqueue()).jobs["fetch"].id) == "ready"
    started = await chain(tasks.fetch.s("u"), tasks.parse.s()).aenqueue()
    assert parents(look, started.id) == {"parse": ["fetch"]}


def test_a_canvas_is_a_workflow(tasks: Any, look: Look) -> None:
    started = (tasks.fetch.s("u") | group(tasks.parse.s(), tasks.parse.s(5)) | tasks.store.s()).enqueue()
    assert parents(look, started.id) == {"parse": ["fetch"], "parse-2": ["fetch"], "store": ["parse", "parse-2"]}
    assert list(started.jobs) == ["fetch", "parse", "parse-2", "store"]


def test_results_arrive_where_they_belong(tasks: Any, manual_worker: ManualWorker, look: Look) -> None:
    started = (tasks.fetch.s("u") | group(tasks.parse.s(), tasks.parse.s(5)) | tasks.store.s()).enqueue()
    assert manual_worker.run({"fetch": "YQ==", "parse": ["a"], "parse-2": ["b"]}) == ["fetch", "parse", "parse-2", "store"]
    got = look.rows("select name, result from parents(%s::bigint[])", [started.jobs["store"].id])
    assert [(row["name"], row["result"]) for row in got] == [("parse", ["a"]), ("parse-2", ["b"])]
    nodes = look.rows("select name, takes, takes_all from workflow_node where workflow_id = %s order by job_id", started.id)
    assert [(row["takes"], row["takes_all"]) for row in nodes] == [
        (None, False),
        ("document", False),
        ("document", False),
        ("parts", True),
    ]


def test_nodes_may_be_named_before_they_are_added(app: PgQueue, tasks: Any, look: Look) -> None:
    flow = app.workflow()
    flow.add(tasks.tell, name="last", after=["a", "b"])
    flow.add(tasks.tell, name="b", after="a")
    flow.add(tasks.tell, name="a")
    started = flow.enqueue()
    assert parents(look, started.id) == {"last": ["a", "b"], "b": ["a"]}
    assert list(started.jobs) == ["a", "b", "last"]


def test_what_add_returns_is_as_good_as_a_name(app: PgQueue, tasks: Any, look: Look) -> None:
    flow = app.workflow()
    first = flow.add(tasks.fetch.map(["a", "b"]))
    flow.add(tasks.tell.si(), after=first)
    assert parents(look, flow.enqueue().id) == {"tell": ["fetch", "fetch-2"]}


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ({"a": ["b"], "b": ["a"]}, "is a cycle"),
        ({"a": ["a"]}, "is a cycle"),
        ({"a": ["x"]}, "there is no node 'x'"),
        ({}, "nodes: the workflow is empty"),
    ],
    ids=["circle", "self", "unknown", "empty"],
)
def test_what_is_wrong_is_refused_before_anything_is_sent(after: dict[str, Any], message: str) -> None:
    app = PgQueue("postgresql://nobody@localhost:1/nothing")
    tell = app.task(name="tell")(lambda: None)
    flow = app.workflow()
    for name, wanted in after.items():
        flow.add(tell, name=name, after=wanted)
    with pytest.raises(InvalidArgument, match=message):
        flow.enqueue()


def test_arguments_of_a_task_are_checked_where_it_is_added(app: PgQueue, tasks: Any) -> None:
    flow = app.workflow()
    with pytest.raises(InvalidArgument, match="misses 'url'"):
        flow.add(tasks.fetch)
    with pytest.raises(InvalidArgument, match="has no argument 'x'"):
        flow.add(tasks.fetch, {"x": 1})
    with pytest.raises(InvalidArgument, match=r"args: 'u' is not valid; give a tuple or a mapping"):
        flow.add(tasks.fetch, "u")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match=r"args: pass them to s\(…\)"):
        flow.add(tasks.fetch.s("u"), ("u",))
    with pytest.raises(InvalidArgument, match="args: 'prices' is not valid; name= is a keyword"):
        flow.add(tasks.fetch.s("u"), "prices")  # type: ignore[arg-type]


@pytest.mark.parametrize("what", [5, "fetch", len], ids=["number", "name", "function"])
def test_what_is_not_a_task_is_called_so(app: PgQueue, what: Any) -> None:
    flow = app.workflow()
    for args in ((), ("u",)):
        with pytest.raises(InvalidArgument, match=r"node: .* is not a task; use what @app\.task returns"):
            flow.add(what, args)


def test_policies_are_given_once(app: PgQueue, tasks: Any) -> None:
    flow = app.workflow()
    flow.add(tasks.tell, name="a")
    with pytest.raises(InvalidArgument, match="when: 'finished' beside a mapping in after="):
        flow.add(tasks.tell, after={"a": "failed"}, when="finished")


def test_what_sql_refuses_leaves_nothing(app: PgQueue, tasks: Any, look: Look) -> None:
    flow = app.workflow()
    flow.add(tasks.fetch, ("u",))
    flow.add(tasks.tell.using(priority=500).si(), after="fetch")
    with pytest.raises(InvalidArgument, match="priority"):
        flow.enqueue()
    assert look.live() == look.value("select count(*) from workflow") == 0


def test_a_name_that_was_made_of_a_long_one_is_still_a_name(app: PgQueue, look: Look) -> None:
    long = app.task(name="x" * 200)(lambda: None)
    started = group(long.s(), long.s()).enqueue()
    assert sorted(map(len, started.jobs)) == [200, 200]


def test_a_workflow_is_part_of_the_callers_transaction(app: PgQueue, tasks: Any, look: Look, connect: Any) -> None:
    theirs = connect(autocommit=False)
    started = chain(tasks.fetch.s("u"), tasks.parse.s()).enqueue(connection=theirs)
    assert Look(theirs).state(started.jobs["fetch"].id) == "ready"
    theirs.rollback()
    assert look.live() == 0
    with connect(autocommit=False) as theirs:
        chain(tasks.fetch.using(connection=theirs).s("u"), tasks.parse.using(connection=theirs).s()).enqueue()
        assert look.live() == 0
    assert look.live() == 2


async def test_async_code_gives_a_connection_too(async_app: PgQueue, tasks: Any, look: Look, database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as theirs:
        flow = async_app.workflow()
        flow.add(tasks.fetch, ("u",))
        await flow.aenqueue(connection=theirs)
        assert look.live() == 0
    assert look.live() == 1


def test_a_connection_of_another_kind_is_refused(tasks: Any) -> None:
    with pytest.raises(WrongConnection):
        chain(tasks.fetch.s("u")).enqueue(connection=object())


def test_it_is_one_statement(tasks: Any, look: Look) -> None:
    chain(tasks.fetch.s("u"), group(tasks.parse.s(), tasks.parse.s()), tasks.store.s()).enqueue()
    assert (
        look.value("select count(distinct xmin::text) from (select xmin from job union all select xmin from workflow_node) x")
        == 1
    )


def test_middleware_runs_around_each_node(app: PgQueue, tasks: Any, look: Look) -> None:
    seen = []

    @app.around_enqueue
    def note(call: EnqueueCall) -> Iterator[None]:
        call.change(queue="mail")
        yield
        seen.append(call.task)

    started = chain(tasks.fetch.s("u"), tasks.parse.s()).enqueue()
    assert sorted(seen) == ["fetch", "parse"]
    assert {look.job(job.id)["queue"] for job in started.jobs.values()} == {"mail"}


@pytest.mark.parametrize(("failing", "told"), [("", "tell"), ("fetch", "alarm")])
def test_a_job_tells_of_the_end(
    app: PgQueue, tasks: Any, manual_worker: ManualWorker, look: Look, failing: str, told: str
) -> None:
    alarm = app.task(name="alarm")(lambda: None)
    flow = app.workflow("import", on_success=tasks.tell.s("fine"), on_failure=alarm.s())
    flow.add(tasks.fetch, ("u",))
    started = flow.enqueue()
    assert manual_worker.run(failing=failing) == ["fetch", told]
    meta = look.value("select meta from jobs where task = %s", told)
    assert meta == {"workflow_id": started.id, "workflow": "import", "outcome": started.refresh().status}


def test_what_tells_of_the_end_is_a_signature(app: PgQueue, tasks: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"on_failure: .* is not valid; use a signature"):
        app.workflow(on_failure=tasks.tell)
    flow = app.workflow(on_success=tasks.fetch.s())
    flow.add(tasks.tell)
    with pytest.raises(InvalidArgument, match="misses 'url'"):
        flow.enqueue()


@pytest.mark.parametrize("key", ["on_success", "on_failure"])
def test_what_tells_of_the_end_is_of_the_same_app(app: PgQueue, key: str) -> None:
    other = PgQueue("postgresql://nobody@localhost:1/nothing")
    tell = other.task(name="tell")(_tell)
    given: dict[str, Any] = {key: tell.s()}
    with pytest.raises(InvalidArgument, match=f"{key}: task 'tell' belongs to another app; a workflow belongs to one app"):
        app.workflow(**given)


def _tell() -> None: ...


@pytest.mark.parametrize("name", [5, "nul \x00", "x" * 201, ""], ids=["number", "nul", "long", "empty"])
def test_what_cannot_be_the_name_of_a_workflow_is_refused(app: PgQueue, tasks: Any, name: Any) -> None:
    with pytest.raises(InvalidArgument, match="name: "):  # noqa: PT012  either here or by SQL
        flow = app.workflow(name)
        flow.add(tasks.tell)
        flow.enqueue()


def test_workflows_do_not_run_inline(app: PgQueue, tasks: Any) -> None:
    with inline(app), pytest.raises(PgQueueError, match="a workflow needs the database"):
        chain(tasks.fetch.s("u")).enqueue()
