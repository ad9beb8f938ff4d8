"""FAULTS 55: connections that are cut between two calls of an application, or during one."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from pgqueue import Job, PgQueue, Task, Unique
from pgqueue.database.calls import install as install_calls
from pgqueue.errors import NoConnection, ResultTimeout
from tests.apps import app_of
from tests.cutting import cut_all
from tests.faults.proxy import Cut, Proxy
from tests.looking import Look

ENQUEUES: dict[str, Callable[[Task[[int], str], Job[str]], Any]] = {
    "enqueue": lambda task, job: task.enqueue(2),
    "enqueue_many": lambda task, job: task.enqueue_many([(2,)]),
    "enqueue_select": lambda task, job: task.enqueue_select("select 2 as user_id"),
    "cancel": lambda task, job: app_of(task).cancel(job.id),
    "update": lambda task, job: job.update(priority=5),
    "limits.set": lambda task, job: task._app.limits.set("openai", rate="1/s"),
    "status": lambda task, job: job.refresh().status,
    "limits.list": lambda task, job: task._app.limits.list(),
}


@pytest.mark.parametrize("name", ENQUEUES)
def test_connections_that_were_cut_while_idle_are_noticed_before_a_call(
    welcome: Task[[int], str], look: Look, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = welcome.enqueue(1)
    pool = welcome._app.database.pool()
    idle = [pool.getconn() for _ in range(3)]  # several may lie there
    for connection in idle:
        pool.putconn(connection)
    cut_all(look)
    ENQUEUES[name](welcome, job)


async def test_connections_of_async_code_that_were_cut_while_idle_are_noticed(
    async_app: PgQueue, welcome: Task[[int], str], look: Look
) -> None:
    job = await welcome.aenqueue(1)
    await asyncio.to_thread(cut_all, look)
    await welcome.aenqueue(2)
    await asyncio.to_thread(cut_all, look)
    assert (await job.arefresh()).status == "ready"
    assert look.count("ready") == 2


def test_a_wait_goes_on_through_a_restart(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    jobs = iter(app_of(welcome).as_completed([job], timeout=0.5))
    cut_all(look)
    with pytest.raises(ResultTimeout):
        job.result(timeout=0.3)
    cut_all(look)
    with pytest.raises(ResultTimeout):
        next(jobs)


@pytest.fixture
def cutting(database_url: str) -> Iterator[Proxy]:
    """Cuts the connection of the next request that has a text in it, after the server has answered."""
    with Proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
def behind(cutting: Proxy) -> Iterator[PgQueue]:
    """An app whose connections go through the proxy."""
    app = PgQueue(cutting.url)
    yield app
    app.close()


def _cut_once(proxy: Proxy, text: bytes, how: Cut) -> None:
    left = [1]

    def decide(request: bytes) -> Cut:
        if text in request and left:
            left.pop()
            return how
        return "pass"

    proxy.decide = decide


@pytest.mark.parametrize("how", ["after commit", "before reply"])
def test_a_call_that_only_reads_is_repeated_when_its_connection_is_cut(cutting: Proxy, behind: PgQueue, how: Cut) -> None:
    job = behind.task(_number).enqueue(1)
    _cut_once(cutting, b'"pgqueue".jobs', how)
    assert job.refresh().status == "ready"
    assert cutting.cuts == 1 or how == "before reply"


@pytest.mark.parametrize(
    ("unique", "is_repeated"),
    [
        (None, False),
        (Unique("until_done"), False),  # it may be done, and another one added, before it is asked for again
        (Unique("until_started"), False),
        (Unique("replace"), False),
        (Unique("period", period=3600), True),
        (Unique("period", period=0.001), False),  # over before it is repeated
    ],
)
def test_an_enqueue_whose_answer_is_lost_is_repeated_only_if_that_adds_nothing(
    cutting: Proxy, behind: PgQueue, look: Look, unique: Unique | None, is_repeated: bool
) -> None:
    task = behind.task(unique=unique)(_number)
    behind.database.run(install_calls.installed_version())  # the connection is there
    _cut_once(cutting, b'"pgqueue".enqueue', "after commit")
    if is_repeated:
        assert look.job(task.enqueue(1).id)["task"] == "_number"
    else:
        with pytest.raises(psycopg.OperationalError):
            task.enqueue(1)
    assert cutting.cuts == 1
    assert look.live() == 1


def test_too_few_connections_are_an_error_that_names_the_setting(app: PgQueue, welcome: Task[[int], str]) -> None:
    pool = app.database.pool()
    pool.timeout = 0.2
    taken = [pool.getconn() for _ in range(4)]
    with pytest.raises(NoConnection, match=r"all 4 of the pool are in use; raise pool_size \(PGQUEUE_POOL_SIZE\)"):
        welcome.enqueue(1)
    for connection in taken:
        pool.putconn(connection)


def _number(n: int) -> int:
    return n


async def test_notifications_that_a_pooler_lets_through_are_not_kept(async_app: PgQueue) -> None:
    """Others listen on the same server's session; psycopg would keep what they hear for as long as the connection lives."""
    with async_app.database.pool().connection() as own:
        own.execute("listen stray")
        own.execute("notify stray")
        assert len(own._notifies_backlog or ()) == 0
        own.execute("unlisten *")
    async with (await async_app.async_database.pool()).connection() as theirs:
        await theirs.execute("listen stray")
        await theirs.execute("notify stray")
        assert len(theirs._notifies_backlog or ()) == 0
        await theirs.execute("unlisten *")
    async_app.close()
