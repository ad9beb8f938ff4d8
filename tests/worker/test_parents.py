"""What a node's parents have come to reaches its handler."""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, cast

import psycopg
import pytest

from pgqueue import JobContext, PgQueue, chain, chord, group
from pgqueue.database import Link
from pgqueue.database.calls.workflows import ParentRow
from pgqueue.errors import Disconnected, ResultExpired, ResultWithheld, UnknownParent
from pgqueue.worker.outcome import Outcome
from pgqueue.worker.parents import ParentLoader
from pgqueue.worker.signals import Alarm
from pgqueue.worker.slots import Slots
from pgqueue.workflow.node import Node, Parents
from tests.looking import Look
from tests.waiting import auntil
from tests.worker import process_jobs
from tests.worker.conftest import burst, working
from tests.worker.jobs import waiting_job
from tests.worker.processes import InProcess


@dataclass
class Page:
    url: str
    size: int


@pytest.fixture(autouse=True)
def _no_drift(look: Look) -> Any:
    yield
    assert look.rows("select * from workflow_drift()") == []


async def test_a_parents_result_becomes_the_argument_as_its_hint_says(async_app: PgQueue) -> None:
    taken: list[Any] = []

    @async_app.task
    async def fetch(url: str) -> Page:
        return Page(url, 7)

    @async_app.task
    async def store(page: Page, fast: bool) -> int:
        taken.append((page, fast))
        return page.size

    flow = chain(fetch.s("here"), store.s(fast=True)).enqueue()
    await burst(async_app)
    assert taken == [(Page("here", 7), True)]
    assert await flow.aresult(timeout=0) == 7


async def test_a_child_of_a_group_takes_the_list_of_results_in_the_order_of_the_group(async_app: PgQueue) -> None:
    taken: list[Any] = []

    @async_app.task
    async def square(n: int) -> int | None:
        await asyncio.sleep(0.02 / (n + 1))
        return n * n if n != 2 else None

    @async_app.task
    def gather(ctx: JobContext, squares: list[int | None]) -> None:
        taken.append(squares)
        taken.append([parent.result for parent in ctx.parents.values()])

    chord([square.s(n) for n in range(5)], gather.s()).enqueue()
    await burst(async_app)
    assert taken == [[0, 1, None, 9, 16]] * 2


async def test_parents_are_found_by_node_name_then_task_name_then_id(async_app: PgQueue, look: Look) -> None:
    seen: list[JobContext] = []

    @async_app.task
    async def one() -> int:
        return 1

    @async_app.task
    async def two() -> int:
        return 2

    @async_app.task(name="child")
    async def child(ctx: JobContext) -> None:
        seen.append(ctx)

    first = one.enqueue()
    second, third = two.enqueue(), two.enqueue()
    child.using(depends_on=[first, second, third]).enqueue()
    look.rows("update workflow_node set name = 'named' where job_id = %s returning 1", second.id)
    await burst(async_app)
    (ctx,) = seen
    assert list(ctx.parents) == ["one", "named", "two"]
    assert [parent.id for parent in ctx.parents.values()] == [first.id, second.id, third.id]
    assert "three" not in ctx.parents
    with pytest.raises(UnknownParent, match=r"^ctx.parents: there is no parent 'three'; there are: 'one', 'named', 'two'$"):
        ctx.parents["three"]


async def test_a_failed_parent_tells_its_error(async_app: PgQueue) -> None:
    seen: list[JobContext] = []

    @async_app.task(retry=0)
    async def fail() -> None:
        raise ValueError("no good")

    @async_app.task
    async def clean_up(ctx: JobContext) -> None:
        seen.append(ctx)

    flow = async_app.workflow("import")
    flow.add(fail, name="fail")
    flow.add(clean_up, after="fail", when="finished")
    flow.enqueue()
    await burst(async_app)
    parent = seen[0].parents["fail"]
    assert (parent.state, parent.result, parent.task) == ("failed", None, "fail")
    assert parent.error is not None
    assert parent.error["message"] == "no good"


async def test_a_job_that_has_waited_for_nothing_has_no_parents(async_app: PgQueue) -> None:
    seen: list[JobContext] = []

    @async_app.task
    async def alone(ctx: JobContext) -> None:
        seen.append(ctx)

    alone.enqueue()
    group(alone.s(), alone.s()).enqueue()
    await burst(async_app)
    assert [dict(ctx.parents) for ctx in seen] == [{}, {}, {}]


async def test_a_result_reaches_a_handler_in_a_process(async_app: PgQueue, in_process: InProcess) -> None:
    echo = in_process(async_app, process_jobs.echo)

    @async_app.task
    async def three() -> int:
        return 3

    flow = chain(three.s(), echo.s(times=2)).enqueue()
    await burst(async_app)
    assert (await flow.aresult(timeout=0))[0] == [3, 3]


async def test_parents_themselves_are_not_there_in_a_process(async_app: PgQueue, in_process: InProcess, look: Look) -> None:
    look_around = in_process(async_app, process_jobs.look_around, retry=0)

    @async_app.task
    async def three() -> int:
        return 3

    chain(three.s(), look_around.si()).enqueue()
    await burst(async_app)
    assert look.value("select errors->-1->>'type' from dead_letter") == "pgqueue.errors.OutsideWorker"


@pytest.mark.parametrize("takes_all", [False, True], ids=["one", "all"])
async def test_a_job_that_takes_a_result_that_has_expired_fails_for_good_and_says_of_which_parent(
    async_app: PgQueue, look: Look, takes_all: bool
) -> None:
    @async_app.task
    async def fetch() -> int:
        return 3

    @async_app.task
    async def store(given: object) -> None:
        raise AssertionError("it ran")

    @async_app.task
    async def plain() -> str:
        return "ran"

    last = store.using(run_after=3600).s()
    flow = (chord([fetch.s()], last) if takes_all else chain(fetch.s(), last)).enqueue()
    await burst(async_app)
    parent = look.value("select id from job_history where task = 'fetch'")
    look.rows("select 1 from delete_result(%s)", parent)
    look.rows("select 1 from update(%s, run_after => '0 s')", look.value("select id from job where task = 'store'"))
    other = plain.enqueue()
    await burst(async_app)

    assert await other.aresult(timeout=0) == "ran"
    assert flow.refresh().counts["failed"] == 1
    error = "errors->-1->>'type' as type, errors->-1->>'message' as why"
    (letter,) = look.rows(f"select reason::text, attempt, {error} from dead_letter")
    assert letter == {
        "reason": "system_error",
        "attempt": 1,
        "type": "pgqueue.errors.ResultExpired",
        "why": f"the result of parent 'fetch', job {parent}, is no longer kept; enqueue the parent with a longer result_ttl",
    }


async def test_a_job_whose_maker_may_not_know_its_parents_runs_and_gets_no_result(async_app: PgQueue, look: Look) -> None:
    seen: list[str] = []

    @async_app.task
    async def fetch() -> str:
        return "xyzzy"

    @async_app.task
    async def send(text: str) -> None:
        raise AssertionError("it ran")

    @async_app.task
    async def tell(ctx: JobContext) -> None:
        parent = ctx.parents["fetch"]
        with pytest.raises(ResultWithheld, match=r"^the result of parent 'fetch', job \d+, is withheld: "):
            parent.result  # noqa: B018
        seen.append(f"{parent.state} {parent}")

    flow = (fetch.s() | group(send.s(), tell.si())).enqueue()
    look.rows("update workflow_edge set withheld = true returning 1")
    await burst(async_app)

    assert (flow.refresh().counts["failed"], flow.counts["succeeded"]) == (1, 2)
    assert look.rows("select reason::text, errors->-1->>'type' as type from dead_letter") == [
        {"reason": "system_error", "type": "pgqueue.errors.ResultWithheld"}
    ]
    assert [text.startswith("succeeded MissingParent(") for text in seen] == [True]
    assert "xyzzy" not in str(seen)


@pytest.fixture
def waiting_for_parents(async_app: PgQueue) -> tuple[Any, Any, list[str]]:
    """A chain of two, a plain task, and what has run."""
    ran: list[str] = []

    @async_app.task
    async def parent() -> int:
        return 1

    @async_app.task
    async def child(n: int) -> None:
        ran.append(f"child {n}")

    @async_app.task
    async def plain() -> None:
        ran.append("plain")

    return chain(parent.s(), child.s()), plain, ran


@dataclass
class Picky:
    """A type that what was stored once does not fit any more, in a way that no library expects."""

    n: int

    def __post_init__(self) -> None:
        {1: "known"}[self.n]


async def test_a_result_that_todays_type_cannot_be_made_of_fails_only_who_asks_for_it(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    async def parent() -> Picky:
        picky = Picky(1)
        picky.n = 2
        return picky

    @async_app.task(retry=0)
    async def asks(ctx: JobContext) -> None:
        ctx.parents["parent"].result  # noqa: B018

    @async_app.task
    async def looks(ctx: JobContext) -> str:
        return repr(ctx.parents)

    flow = chain(parent.s(), group(asks.si(), looks.si())).enqueue()
    await burst(async_app)
    assert look.state(flow.jobs["asks"].id) == "failed"
    assert look.value("select errors->-1->>'type' from dead_letter") == "KeyError"
    assert "task='parent', state='succeeded', result={\"n\": 2})" in await flow.jobs["looks"].aresult(timeout=0)


def test_a_result_is_made_once() -> None:
    parents = Parents.read([ParentRow(5, None, "fetch", "succeeded", "[1]", None)], {})
    assert parents["fetch"].result is parents["fetch"].result


async def test_parents_that_nothing_can_be_made_of_end_their_job_and_not_the_worker(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch, waiting_for_parents: tuple[Any, Any, list[str]]
) -> None:
    broken_for: list[str] = []

    def broken(node: Node, args_json: str, rows: list[ParentRow]) -> str:
        broken_for.append(args_json)
        raise KeyError("broken")

    flow, plain, ran = waiting_for_parents
    monkeypatch.setattr(Node, "with_taken", broken)
    async with working(async_app):
        flow.enqueue()
        await auntil(lambda: broken_for, "its parents are looked at")
        plain.enqueue()
        await auntil(lambda: ran == ["plain"], "the worker works on")
        await auntil(lambda: look.value("select errors->-1->>'type' from job where task = 'child'") == "KeyError", "it fails")


class SlowFor:
    """A link on which the parents of some jobs are never read in time."""

    def __init__(self, *slow: int) -> None:
        self.slow, self.asked = set(slow), list[list[int]]()

    async def run(self, call: Any) -> list[Any]:
        (ids,) = call.params
        self.asked.append(ids)
        await asyncio.sleep(0)
        if self.slow & set(ids):
            raise Disconnected("deadline passed", too_slow=True)
        return []


async def test_parents_that_are_never_read_in_time_fail_their_job_and_hold_up_no_other() -> None:
    ended: list[Outcome] = []
    link, slots = SlowFor(2), Slots({}, 1, ended.append, lambda: True, Alarm())
    tasks: Any = {"handler": PgQueue("postgresql://nowhere").task(name="handler")(lambda ctx: None)}
    loader = ParentLoader(cast(Link, link), tasks, slots, ended.append, always=True)
    run = asyncio.create_task(loader.run())
    jobs = [waiting_job(id) for id in (1, 2, 3)]
    loader.add(jobs[:2])
    await auntil(lambda: ended, "it fails")
    loader.add(jobs[2:])
    await auntil(lambda: len(slots.waiting) == 2, "the others can start")
    assert [(one.job.id, one.state) for one in ended] == [(2, "failed")]
    assert link.asked == [[1, 2], [1, 2], [1], [2], [2], [3]]
    assert not slots.preparing
    run.cancel()
    await slots.close()


LOADING = (
    "from pg_stat_activity where application_name = 'pgqueue worker' and query like '%%parents%%' and wait_event_type = 'Lock'"
)


async def _until_loading(look: Look) -> None:
    await auntil(lambda: look.value(f"select count(*) {LOADING}") == 1, "the parents are being loaded")


async def test_plain_jobs_start_while_parents_are_being_loaded(
    async_app: PgQueue, look: Look, connection: psycopg.Connection[Any], waiting_for_parents: tuple[Any, Any, list[str]]
) -> None:
    flow, plain, ran = waiting_for_parents
    connection.execute("begin")
    connection.execute("lock table dead_letter in access exclusive mode")  # which only the loading of parents reads
    async with working(async_app) as worker:
        child = flow.enqueue().jobs["child"].id
        await _until_loading(look)
        plain.enqueue()
        await auntil(lambda: ran == ["plain"], "its run")
        assert child in worker._parts.held()
        assert child not in worker._parts.slots.running
        connection.execute("rollback")
        await auntil(lambda: ran == ["plain", "child 1"], "its run")


async def test_a_stop_gives_back_what_waits_for_its_parents(
    async_app: PgQueue, look: Look, connection: psycopg.Connection[Any], waiting_for_parents: tuple[Any, Any, list[str]]
) -> None:
    flow, _, ran = waiting_for_parents
    connection.execute("begin")
    connection.execute("lock table dead_letter in access exclusive mode")
    async with working(async_app):
        child = flow.enqueue().jobs["child"].id
        await _until_loading(look)
    connection.execute("rollback")
    assert ran == []
    assert look.rows("select state::text, attempt from job where id = %s", child) == [{"state": "ready", "attempt": 0}]
    await burst(async_app)
    assert ran == ["child 1"]


async def test_a_lost_connection_only_delays_the_parents(
    async_app: PgQueue, look: Look, connection: psycopg.Connection[Any], waiting_for_parents: tuple[Any, Any, list[str]]
) -> None:
    flow, _, ran = waiting_for_parents
    connection.execute("begin")
    connection.execute("lock table dead_letter in access exclusive mode")
    async with working(async_app):
        flow.enqueue()
        await _until_loading(look)
        look.rows(f"select pg_terminate_backend(pid) {LOADING}")
        connection.execute("rollback")
        await auntil(lambda: ran == ["child 1"], "its run")


def test_many_parents_without_names_are_read_in_a_moment() -> None:
    tasks = (f"page {id % 2}" for id in range(20_000))  # each a text of its own, as they come from the database
    rows = [ParentRow(id, None, task, "succeeded", None, None) for id, task in enumerate(tasks)]
    began = time.process_time()
    assert len(Parents.read(rows, {})) == 20_000
    assert time.process_time() - began < 2, "it took longer for each than for the one before"


def test_parents_of_one_task_without_names_are_found_by_their_ids() -> None:
    rows = [
        ParentRow(5, None, "fetch", "succeeded", "1", None),
        ParentRow(6, None, "fetch", "succeeded", None, None),
        ParentRow(7, None, "parse", "failed", None, '{"message": "no"}'),
        ParentRow(8, None, "store", "skipped", None, None),
        ParentRow(9, "store", "other", "succeeded", "[2]", None),
    ]
    parents = Parents.read(rows, {})
    assert list(parents) == ["5", "6", "parse", "8", "store"]
    assert [parent.result for parent in parents.values()] == [1, None, None, None, [2]]
    assert parents["parse"].error == {"message": "no"}


@pytest.mark.parametrize(
    ("args", "takes_all", "results", "expected"),
    [
        ("{}", False, ["7"], {"n": 7}),
        ('{"m": 1}', False, ["7"], {"m": 1, "n": 7}),
        ('{"m": "}"}', False, [None], {"m": "}", "n": None}),
        ("{}", True, ["1", None, '"x"'], {"n": [1, None, "x"]}),
        ("{}", True, [], {"n": []}),
        ("{}", False, [], {"n": None}),
    ],
    ids=["alone", "beside", "nothing", "all", "none of all", "none"],
)
def test_results_go_into_the_arguments(args: str, takes_all: bool, results: list[str | None], expected: dict[str, Any]) -> None:
    node = Node(json.dumps({"workflow": 1, "takes": "n", "takes_all": takes_all}))
    rows = [ParentRow(number, None, "fetch", "succeeded", result, None) for number, result in enumerate(results)]
    assert json.loads(node.with_taken(args, rows)) == expected


def test_the_result_of_an_expired_parent_cannot_be_asked_for_and_the_rest_of_it_can() -> None:
    rows = [ParentRow(5, None, "fetch", "succeeded", None, None, True), ParentRow(6, "null", "fetch", "succeeded", None, None)]
    parents = Parents.read(rows, {})
    gone = parents["fetch"]

    assert (gone.id, gone.name, gone.task, gone.state, gone.error) == (5, None, "fetch", "succeeded", None)
    with pytest.raises(ResultExpired, match=r"^the result of parent 'fetch', job 5, is no longer kept; .* longer result_ttl$"):
        gone.result  # noqa: B018
    assert repr(gone) == "MissingParent(id=5, name=None, task='fetch', state='succeeded')"
    assert gone == Parents.read(rows, {})["fetch"] != parents["null"]
    assert parents["null"].result is None


def test_only_a_result_that_is_taken_must_be_there() -> None:
    rows = [ParentRow(5, None, "fetch", "succeeded", "1", None), ParentRow(6, "late", "fetch", "succeeded", None, None, True)]

    assert Node('{"takes": "n"}').with_taken("{}", rows) == '{"n":1}'
    assert Node("{}").with_taken("{}", rows) == "{}"
    with pytest.raises(ResultExpired, match="parent 'late', job 6"):
        Node('{"takes": "n", "takes_all": true}').with_taken("{}", rows)


async def test_nodes_of_several_claims_keep_the_count_of_those_with_limits_right() -> None:
    """Claims have them first, two claims in one answer do not."""
    app = PgQueue("postgresql://nobody@localhost:1/nothing")

    @app.task
    async def handler(ctx: JobContext) -> None: ...

    class Answers:
        async def run(self, call: Any) -> list[tuple[Any, ...]]:
            return []

    outcomes: list[Outcome] = []
    is_full = True
    slots = Slots(app.tasks, 5, outcomes.append, lambda: is_full, Alarm())
    loader = ParentLoader(cast(Link, Answers()), app.tasks, slots, outcomes.append)
    limited = [waiting_job(2), waiting_job(4)]
    for job in limited:
        job.limits = ["key"]
    loader.add([limited[0], waiting_job(1)])
    loader.add([limited[1], waiting_job(3)])
    loader.add([waiting_job(5)])
    loading = asyncio.create_task(loader.run())
    await auntil(lambda: len(slots.waiting) == 5, "the nodes")
    assert [job.id for job in slots.waiting] == [2, 4, 1, 3, 5]
    is_full = False
    slots.go_on()
    await auntil(lambda: len(outcomes) == 5, "their ends")
    assert await slots.room() == (5, 5)
    loading.cancel()
    await slots.close()
