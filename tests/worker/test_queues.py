"""Which jobs a worker takes, and in which order; when a burst ends."""

import asyncio
import time
import uuid
from collections import Counter

import pytest

from pgqueue import PgQueue, Task
from pgqueue.errors import ConfigurationError, NotMigrated
from pgqueue.worker import Worker, WorkerOptions
from pgqueue.worker.pace import Pace
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import ENDS_WITHIN, burst, new_worker, working


@pytest.fixture
def started() -> list[int]:
    """The numbers of the jobs in the order in which they started."""
    return []


@pytest.fixture
def number(async_app: PgQueue, started: list[int]) -> Task[[int], None]:
    """A task that notes its number."""

    @async_app.task
    async def number(n: int) -> None:
        started.append(n)

    return number


async def test_jobs_start_by_priority_then_time_then_id(
    async_app: PgQueue, number: Task[[int], None], started: list[int]
) -> None:
    """FAULTS 2: one worker, one job at a time."""
    enqueued = []
    for n in range(120):
        priority = (n * 7) % 5 - 2
        enqueued.append((-priority, n))
        number.using(priority=priority).enqueue(n)
    await burst(async_app, concurrency=1)
    assert started == [n for _, n in sorted(enqueued)]


async def test_strict_queues_are_emptied_in_their_order(
    async_app: PgQueue, number: Task[[int], None], started: list[int]
) -> None:
    for n, queue in enumerate(["second", "first", "second", "first"]):
        number.using(queue=queue).enqueue(n)
    await burst(async_app, concurrency=1, queues=(("first", 1.0), ("second", 1.0)), strict=True)
    assert started == [1, 3, 0, 2]


async def test_weights_share_the_claims(
    async_app: PgQueue, number: Task[[int], None], started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "prefetch", lambda self: 0)  # one job a claim, so that there are many claims
    for n, queue in enumerate(["heavy", "light"]):
        number.using(queue=queue).enqueue_many([(n,)] * 100)
    await burst(async_app, concurrency=1, queues=(("heavy", 9.0), ("light", 1.0)))
    assert Counter(started[:100])[0] > 70, "of 100 claims about 90 go to a queue whose weight is 9 of 10"
    assert len(started) == 200


async def test_queues_that_nobody_named_are_left_alone(
    async_app: PgQueue, number: Task[[int], None], started: list[int], look: Look
) -> None:
    other = number.using(queue="other").enqueue(1)
    number.enqueue(2)
    await burst(async_app)
    assert started == [2]
    assert look.state(other.id) == "ready"


async def test_a_burst_ends_at_once_when_there_is_nothing(async_app: PgQueue, number: Task[[int], None]) -> None:
    await burst(async_app)


async def test_a_burst_does_not_wait_for_jobs_that_are_not_due(async_app: PgQueue, number: Task[[int], None], look: Look) -> None:
    number.using(run_after=3600).enqueue(1)
    number.enqueue(2)
    await burst(async_app)
    assert look.count("scheduled") == 1


async def test_a_burst_runs_what_its_own_jobs_enqueue(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    async def parent(depth: int) -> None:
        if depth:
            await parent.aenqueue(depth - 1)

    parent.enqueue(5)
    await burst(async_app)
    assert look.count("succeeded") == 6


async def test_a_burst_waits_for_jobs_that_run_elsewhere(async_app: PgQueue, number: Task[[int], None], look: Look) -> None:
    number.enqueue(1)
    other, token = uuid.uuid4(), uuid.uuid4()
    look.value("select register_worker(%s, 'w', 'host', 1, '0', '{default}', 1, '30 s')", other)
    claimed = look.value("select id from claim(%s, %s, '{default}', 1)", other, token)
    run = asyncio.create_task(burst(async_app))
    await auntil(lambda: look.value("select count(*) from worker") == 2, "the worker")
    await asyncio.sleep(0.3)  # several looks of the burst
    assert not run.done()
    look.value("select complete(%s, %s)", claimed, token)
    await run


async def test_a_worker_is_seen_while_it_works_and_gone_afterwards(
    async_app: PgQueue, number: Task[[int], None], look: Look
) -> None:
    async with working(async_app, name="mine", concurrency=3, queues=(("a", 1.0), ("b", 2.0))):
        await auntil(lambda: look.value("select count(*) from worker where wake_mode = 'notify'"), "a worker that listens")
        (row,) = look.rows("select name, concurrency, queues, status from worker_status")
        assert row == {"name": "mine", "concurrency": 3, "queues": ["a", "b"], "status": "IDLE"}
    assert look.rows("select * from worker") == []


async def test_a_worker_leaves_no_connection_behind(async_app: PgQueue, number: Task[[int], None], look: Look) -> None:
    number.enqueue(1)
    await burst(async_app)
    await async_app.aclose()
    async_app.close()
    others = (
        "select count(*) from pg_stat_activity where datname = current_database() "
        "and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )
    await auntil(lambda: look.value(others) == 0, "the end of the worker's connections")


async def test_a_database_without_pgqueue_ends_the_worker_with_the_remedy(empty_database_url: str) -> None:
    app = PgQueue(empty_database_url)
    with pytest.raises(NotMigrated, match="run `pgqueue migrate`"):
        await burst(app)


async def test_a_worker_that_cannot_reach_its_database_still_stops() -> None:
    app = PgQueue("postgresql://nobody@127.0.0.1:1/nothing")
    worker = new_worker(app, grace=0)
    run = asyncio.create_task(worker.run())
    await asyncio.sleep(0.2)  # it has tried at least once
    started = time.monotonic()
    worker.stop()
    async with asyncio.timeout(ENDS_WITHIN):
        await run
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency: 0 is not valid; use 1 to 10000"),
        ({"concurrency": 10_001}, "concurrency: 10001 is not valid"),
        ({"grace": -1}, "grace: -1 is not valid; use 0 or more seconds"),
        ({"queues": (("mail", 0),)}, "queues: the weight of 'mail' is 0; use a number above 0"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        WorkerOptions(**options)  # type: ignore[arg-type]


async def test_a_worker_takes_the_queues_that_its_tasks_name(async_app: PgQueue, look: Look) -> None:
    for queue in ("mail", "reports"):
        async_app.task(name=queue, queue=queue)(lambda: None).enqueue()
    async_app.tasks["mail"].using(queue="elsewhere").enqueue()
    await burst(async_app)
    assert (look.count("succeeded"), look.count("ready")) == (2, 1)
    assert isinstance(new_worker(async_app), Worker)
