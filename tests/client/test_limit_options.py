"""limits, fair and cost: as they reach the job, by every way to enqueue."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pgqueue import EnqueueCall, InvalidArgument, Job, Limit, PgQueue, Task, Unique
from pgqueue.database import Call
from tests.apps import app_of
from tests.looking import Look

from .kinds import Kind
from .test_connection_kinds import KINDS

Send = Task[..., None]
Enqueue = Callable[[Send, int, int], Job[Any]]
LIMITS = [Limit("openai", "60/m"), Limit("tenant", max_running=2)]


@pytest.fixture
def send(app: PgQueue) -> Send:
    """A task with limits of every kind."""
    for limit in LIMITS:
        app.limits.declare(limit)

    @app.task(rate_limit="100/m", limits=["openai", "tenant:{tenant}"], fair="turn:{tenant}", cost=lambda number: number)
    def send(tenant: int = 7, number: int = 1, more: dict[str, Any] | None = None) -> None: ...

    return send


def _kept(look: Look, job: Job[Any]) -> tuple[list[str], int | None, dict[str, Any]]:
    row = look.job(job.id)
    return row["limits"], row["cost"], row["args"]


EVERY_WAY: dict[str, Enqueue] = {
    "enqueue": lambda send, tenant, number: send.enqueue(tenant, number),
    "enqueue_many": lambda send, tenant, number: send.enqueue_many([(9, 9), (tenant, number)])[1],
    "unique": lambda send, tenant, number: send.using(unique="until_done").enqueue(tenant, number),
    "many unique": lambda send, tenant, number: send.using(unique="until_done").enqueue_many([(9, 9), (tenant, number)])[1],
    "signatures": lambda send, tenant, number: app_of(send).enqueue_many([send.s(9, 9), send.s(tenant, number)])[1],
    "chain": lambda send, tenant, number: next(iter((send.si(tenant, number) | send.si(9, 9)).enqueue().jobs.values())),
    "last of a chain": lambda send, tenant, number: list((send.si(9, 9) | send.si(tenant, number)).enqueue().jobs.values())[1],
    "map": lambda send, tenant, number: list(send.starmap([(9, 9), (tenant, number)]).enqueue().jobs.values())[1],
    "depends_on": lambda send, tenant, number: send.using(depends_on=send.enqueue(9, 9)).enqueue(tenant, number),
}


@pytest.mark.parametrize("way", EVERY_WAY)
def test_keys_and_cost_are_made_of_the_arguments_by_every_way_to_enqueue(send: Send, look: Look, way: str) -> None:
    assert _kept(look, EVERY_WAY[way](send, 42, 5)) == (
        ["openai", "task:send", "tenant:42", "turn:42"], 5, {"tenant": 42, "number": 5},
    )  # fmt: skip


async def test_async_code_does_the_same(async_app: PgQueue, send: Send, look: Look) -> None:
    jobs = [await send.aenqueue(42, 5), *await send.aenqueue_many([(42, 5)]), *await async_app.aenqueue_many([send.s(42, 5)])]
    assert {str(_kept(look, job)[:2]) for job in jobs} == {"(['openai', 'task:send', 'tenant:42', 'turn:42'], 5)"}


def test_a_query_fills_the_keys_row_by_row(send: Send, look: Look) -> None:
    assert send.using(cost=3).enqueue_select("select n as tenant from generate_series(1, 3) n") == 3
    rows = look.rows("select limits, cost from job order by id")
    assert [row["limits"][2:] for row in rows] == [[f"tenant:{n}", f"turn:{n}"] for n in (1, 2, 3)]
    assert {row["cost"] for row in rows} == {3}


def test_a_query_without_an_argument_that_stands_in_a_key_is_refused_though_it_has_a_default(send: Send, look: Look) -> None:
    with pytest.raises(InvalidArgument, match=r"^query: 'tenant' is not valid; it has no such column"):
        send.using(cost=1).enqueue_select("select 1 as number")
    assert look.live() == 0


def test_a_default_that_stands_in_a_key_is_stored_and_no_other(send: Send, look: Look) -> None:
    jobs = [send.enqueue(), *send.enqueue_many([{"number": 1}]), *app_of(send).enqueue_many([send.s()])]
    jobs += (send.si() | send.si()).enqueue().jobs.values()
    for job in jobs:
        keys, cost, args = _kept(look, job)
        assert (keys[2], cost, args["tenant"]) == ("tenant:7", None, 7)
        assert "more" not in args


def test_a_call_that_leaves_a_default_out_is_a_duplicate_of_one_that_gives_it(send: Send) -> None:
    unique = send.using(unique="until_done")
    job = unique.enqueue(number=3)
    assert unique.enqueue(7, 3).id == job.id
    assert (unique.find_duplicate(number=3) or job.id) != job.id  # a handle on it
    assert unique.find_duplicate(8, 3) is None


def test_a_key_reaches_into_an_argument(app: PgQueue, look: Look) -> None:
    @dataclass
    class Order:
        customer: str
        parts: list[int]

    app.limits.declare(Limit("customer", "1/s"))

    @app.task(limits=["customer:{order.customer}:{order.parts.0}"])
    def ship(order: Order) -> None: ...

    assert look.job(ship.enqueue(Order("ann {x}", [5])).id)["limits"] == ["customer:ann {x}:5"]
    with pytest.raises(InvalidArgument, match=r"^limits: .*the arguments have no 'order.parts.0', or it is null"):
        ship.enqueue(Order("ann", []))


@pytest.mark.parametrize(
    "key", ['tenant:"quoted", \\ back {slash} %s %% :p1 {{', "tenant:{}"[:7] + "ünï\u2028\U0001f600", "tenant: "]
)
def test_a_key_arrives_as_it_is_on_every_path(app: PgQueue, welcome: Task[[int], str], look: Look, key: str) -> None:
    if "{" in key:
        key = key.replace("{slash}", "").replace("{{", "")
    app.limits.declare(LIMITS[1])
    task = welcome.using(limits=[key, "tenant"])
    for job in (task.enqueue(1), *task.enqueue_many([(1,)]), *app.enqueue_many([task.s(1)])):
        assert set(look.job(job.id)["limits"]) == {key, "tenant"}
    assert task.enqueue_select("select 1 as user_id") == 1
    assert look.value("select count(*) from job where %s::text = any (limits)", key) == 4


def test_limits_of_a_call_replace_those_of_the_decorator_but_for_its_own(send: Send, look: Look) -> None:
    assert _kept(look, send.using(limits=["openai"]).enqueue())[0] == ["openai", "task:send", "turn:7"]
    assert _kept(look, send.using(limits=[]).using(fair="other").enqueue())[0] == ["other", "task:send"]
    assert _kept(look, send.using(limits=["openai", "openai", "task:send"]).enqueue())[0] == ["openai", "task:send", "turn:7"]
    assert _kept(look, send.using(priority="high").enqueue())[0] == ["openai", "task:send", "tenant:7", "turn:7"]
    assert _kept(look, send.using(cost=9).enqueue(number=2))[1] == 9


def test_a_job_that_replaces_another_brings_its_limits(send: Send, look: Look) -> None:
    task = send.using(unique=Unique("replace", key="one"))
    job = task.enqueue(1, 2)
    assert task.enqueue(3, 4).id == job.id
    assert _kept(look, job)[:2] == (["openai", "task:send", "tenant:3", "turn:3"], 4)


def test_a_change_of_its_arguments_leaves_its_limits(send: Send, look: Look) -> None:
    job = send.enqueue(1, 2)
    job.update(args={"tenant": 3, "number": 4})
    assert _kept(look, job) == (["openai", "task:send", "tenant:1", "turn:1"], 2, {"tenant": 3, "number": 4})


def test_options_of_limits_leave_the_task_as_it_was(send: Send) -> None:
    before = send.options
    send.using(limits=["openai"], fair="x", cost=2)
    assert send.options is before


def test_middleware_may_change_them(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    app.limits.declare(LIMITS[1])

    @app.around_enqueue
    def by_tenant(call: EnqueueCall) -> Iterator[None]:
        call.change(limits=["tenant:{user_id}"], fair="turn:{user_id}", cost=2)
        yield

    for job in (welcome.enqueue(5), welcome.enqueue_many([(5,)])[0]):
        assert _kept(look, job)[:2] == (["tenant:5", "turn:5"], 2)


# The limits that are there.


def test_a_limit_that_is_neither_declared_nor_set_is_refused_with_the_remedy(
    app: PgQueue, welcome: Task[[int], str], look: Look
) -> None:
    app.limits.set("openai", rate="60/m")
    task = welcome.using(limits=["openai", "gone:{user_id}"])
    for enqueue in (
        lambda: task.enqueue(1),
        lambda: task.enqueue_many([(1,)]),
        lambda: app.enqueue_many([task.s(1)]),
        lambda: (task.si(1) | task.si(2)).enqueue(),
        lambda: task.enqueue_select("select 1 as user_id"),
    ):
        with pytest.raises(InvalidArgument, match=r"^limits: 'gone:\{user_id\}' is not valid; there is no such limit"):
            enqueue()
    app.limits.set("gone", max_running=1)
    assert look.job(task.enqueue(1).id)["limits"] == ["gone:1", "openai"]


def test_what_code_declares_needs_not_be_there_yet(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    app.limits.declare(LIMITS[1])
    app.limits.declare(Limit("vip:1", "5/s"))
    assert look.value("select count(*) from limit_def") == 0
    assert look.job(welcome.using(limits=["tenant:3", "vip:1"]).enqueue(1).id)["limits"] == ["tenant:3", "vip:1"]
    with pytest.raises(InvalidArgument, match="there is no such limit"):
        welcome.using(limits=["vip:2"]).enqueue(1)


def test_of_limits_that_code_declares_and_limits_that_were_set_the_second_are_looked_for(
    app: PgQueue, welcome: Task[[int], str], look: Look
) -> None:
    app.limits.declare(LIMITS[0])
    app.limits.set("set", max_running=1)
    task = welcome.using(limits=["openai", "set"])
    for job in (task.enqueue(1), *task.enqueue_many([(1,)]), *app.enqueue_many([task.s(1)])):
        assert look.job(job.id)["limits"] == ["openai", "set"]
    assert task.enqueue_select("select 1 as user_id") == 1
    (task.si(1) | task.si(2)).enqueue()
    with pytest.raises(InvalidArgument, match=r"^limits: 'gone' is not valid; there is no such limit"):
        welcome.using(limits=["openai", "gone"]).enqueue(1)


def test_turns_need_no_limit(welcome: Task[[int], str], look: Look) -> None:
    assert look.job(welcome.using(fair="tenant:{user_id}").enqueue(1).id)["limits"] == ["tenant:1"]


def test_a_cost_without_anything_that_it_is_taken_of_is_refused(welcome: Task[[int], str]) -> None:
    with pytest.raises(InvalidArgument, match=r"^cost: '2' is not valid; it is taken of limits; name some in limits"):
        welcome.using(cost=2).enqueue(1)


def test_more_limits_than_ten_are_refused(app: PgQueue, welcome: Task[[int], str]) -> None:
    with pytest.raises(InvalidArgument, match=r"^limits: .* is not valid; use 1 to 10 keys"):
        welcome.using(limits=[f"tenant:{n}" for n in range(11)]).enqueue(1)


def test_an_argument_that_is_null_fills_no_key(send: Send, look: Look) -> None:
    send._app.limits.declare(Limit("more", "1/s"))
    task = send.using(limits=["more:{more}"])
    for enqueue in (lambda: task.enqueue(), lambda: task.enqueue_many([()])):
        with pytest.raises(
            InvalidArgument, match=r"^limits: 'more:\{more\}' is not valid; the arguments have no 'more', or it is null"
        ):
            enqueue()
    assert look.live() == 0


# What is sent.


class _Sent:
    """In place of the app's database: keeps the call."""

    def run(self, call: Call[Any], connection: Any = None) -> Any:
        self.call = call
        return call.read([([1],)] if "enqueue_many(%s::text, " in call.statement else [(1, False)])


@pytest.mark.parametrize("way", ["enqueue", "enqueue_many", "enqueue_select", "signatures"])
def test_a_call_without_limits_says_nothing_of_them(
    app: PgQueue, welcome: Task[[int], str], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setitem(app.__dict__, "database", sent := _Sent())
    enqueue: Callable[[Task[[int], str]], Any] = {
        "enqueue": lambda task: task.enqueue(1),
        "enqueue_many": lambda task: task.enqueue_many([(1,)]),
        "enqueue_select": lambda task: task.enqueue_select("select 1 as user_id"),
        "signatures": lambda task: app.enqueue_many([task.s(1)]),
    }[way]
    enqueue(welcome)
    plain = sent.call
    assert "limits" not in plain.statement + str(plain.params)
    enqueue(welcome.using(limits=["openai"]))
    assert "limits" in sent.call.statement + str(sent.call.params)


# Costs.


def test_the_function_of_a_cost_sees_arguments_as_the_handler_does(app: PgQueue, look: Look) -> None:
    seen: list[Any] = []

    @dataclass
    class Prompt:
        text: str

    def cost(prompt: Prompt, *, times: int, unknown: int = 5) -> int:
        seen.append((prompt, times, unknown))
        return len(prompt.text) * times

    @app.task(fair="all", cost=cost)
    def ask(prompt: Prompt, model: str = "small", times: int = 2) -> None: ...

    assert look.job(ask.enqueue({"text": "hello"}).id)["cost"] == 10  # type: ignore[arg-type]
    assert [look.job(job.id)["cost"] for job in ask.enqueue_many([(Prompt("a"), "x", 3), {"prompt": Prompt("abc")}])] == [3, 6]
    assert seen == [(Prompt("hello"), 2, 5), (Prompt("a"), 3, 5), (Prompt("abc"), 2, 5)]
    everything = ask.using(cost=lambda **arguments: len(arguments))
    assert look.job(everything.enqueue(Prompt("a")).id)["cost"] == 3


@pytest.mark.parametrize("cost", [0, -1, 1.0, True, None, "5", 2**31])
def test_a_function_that_returns_no_cost_is_named(app: PgQueue, look: Look, cost: Any) -> None:
    task = app.task(name="ask", fair="all", cost=lambda: cost)(lambda: None)
    for enqueue in (lambda: task.enqueue(), lambda: task.enqueue_many([()])):
        with pytest.raises(InvalidArgument, match=r"^cost: what its function returned for task 'ask': .* use 1 to 1000000"):
            enqueue()
    assert look.live() == 0


def test_what_the_function_of_a_cost_raises_is_the_caller_s(app: PgQueue, look: Look) -> None:
    task = app.task(name="ask", fair="all", cost=lambda: 1 // 0)(lambda: None)
    with pytest.raises(ZeroDivisionError):
        task.enqueue()
    assert look.live() == 0


def test_a_function_that_middleware_sets_is_checked_when_it_is_called(app: PgQueue, welcome: Task[[int], str]) -> None:
    @app.around_enqueue
    def costly(call: EnqueueCall) -> Iterator[None]:
        call.change(fair="all", cost=lambda nobody: 1)
        yield

    with pytest.raises(InvalidArgument, match=r"^cost: its function takes 'nobody', which task 'welcome' does not have"):
        welcome.enqueue(1)


def test_a_query_cannot_call_a_function_for_each_row(send: Send) -> None:
    with pytest.raises(
        InvalidArgument, match=r"^cost: enqueue_select of task 'send' cannot call a function .* give a number: using\(cost=5\)"
    ):
        send.enqueue_select("select 1 as tenant")


def test_behind_a_parent_neither_cost_nor_key_can_be_made_of_its_result(
    send: Send, welcome: Task[[int], str], look: Look
) -> None:
    with pytest.raises(
        InvalidArgument,
        match=r"^cost: a function cannot compute it for task 'send' behind a parent, whose result 'tenant' .* give a number",
    ):
        (welcome.s(1) | send.s()).enqueue()
    with pytest.raises(
        InvalidArgument, match=r"^limits: 'tenant:\{tenant\}' needs 'tenant', which is the result of a parent of task 'send'"
    ):
        (welcome.s(1) | send.using(cost=2).s()).enqueue()
    with pytest.raises(InvalidArgument, match=r"^fair: "):
        (welcome.s(1) | send.using(cost=2, limits=[]).s()).enqueue()
    assert look.live() == 0
    (_, job) = (welcome.s(1) | send.using(cost=2).s(tenant=5)).enqueue().jobs.values()
    assert _kept(look, job) == (["openai", "task:send", "tenant:5", "turn:5"], 2, {"tenant": 5})


# Workflows.


def test_what_follows_a_workflow_has_its_limits(app: PgQueue, send: Send, welcome: Task[[int], str], look: Look) -> None:
    flow = app.workflow(on_success=send.s(4, 2))
    flow.add(welcome, (1,))
    flow.enqueue()
    stored = look.value("select on_success from workflow")
    assert (stored["limits"], stored["fair"]) == (["openai", "tenant:{tenant}", "task:send"], "turn:{tenant}")
    assert (stored["cost"], stored["limits_declared"]) == (2, stored["limits"])


def test_a_chunk_costs_what_its_calls_cost_together(app: PgQueue, look: Look) -> None:
    app.limits.declare(LIMITS[0])
    task = app.task(name="resize", rate_limit="5/s", limits=["openai"])(_resize)
    for options, costs in (({}, [2, 1]), ({"cost": 5}, [10, 5]), ({"cost": lambda n: n + 1}, [5, 4])):
        workflow = task.using(**options).starmap([(1,), (2,), (3,)]).chunks(2).enqueue()
        rows = [look.job(job.id) for job in workflow.jobs.values()]
        assert [row["cost"] or 1 for row in rows] == costs
        assert {tuple(row["limits"]) for row in rows} == {("openai", "task:resize")}


def test_a_chunk_has_no_keys_of_the_arguments_of_one_call(app: PgQueue) -> None:
    task = app.task(name="resize", fair="page:{n}")(_resize)
    with pytest.raises(
        InvalidArgument, match=r"^chunks: fair: 'page:\{n\}' names an argument of task 'resize', .* using\(fair=…\)"
    ):
        task.map([1, 2]).chunks(2)


def test_chunks_of_a_task_without_limits_have_none(app: PgQueue, look: Look) -> None:
    task = app.task(name="resize")(_resize)
    (job,) = task.map([1, 2]).chunks(2).enqueue().jobs.values()
    assert (look.job(job.id)["limits"], look.job(job.id)["cost"]) == (None, None)


def _resize(n: int) -> None: ...


# Connections.


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def theirs(request: pytest.FixtureRequest, database_url: str) -> Iterator[Kind]:
    """A connection as an application has it."""
    kind: Kind = request.param(database_url)
    yield kind
    kind.close()


def test_every_kind_of_connection_carries_them(app: PgQueue, welcome: Task[[int], str], theirs: Kind, look: Look) -> None:
    app.limits.declare(LIMITS[1])
    key = 'tenant:a "b", {user_id} \\ : %'
    task = welcome.using(limits=[key], fair="turn", cost=4)
    jobs = [theirs.enqueue(task, 1), *theirs.enqueue_many(task, [(1,), (1,)])]
    jobs += theirs.enqueue_many(task.using(cost=lambda user_id: user_id + 3), [(1,)])
    theirs.commit()
    for job in jobs:
        assert _kept(look, job)[:2] == (['tenant:a "b", 1 \\ : %', "turn"], 4)
