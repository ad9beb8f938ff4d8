"""Workers count the jobs of queues with max_ready."""

import pytest

from pgqueue import PgQueue, QueueFull
from pgqueue.database.call import Call
from pgqueue.database.calls import queues as calls
from pgqueue.database.calls.queues import Swept
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import working
from tests.worker.test_pauses import said


async def test_a_worker_counts_once_a_queue_has_max_ready_and_stops_when_none_has(
    async_app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    @async_app.task(queue="mail")
    async def send() -> None: ...

    swept: list[Call[Swept]] = []
    sweep = calls.sweep_queues

    def noted() -> Call[Swept]:
        swept.append(sweep())
        return swept[-1]

    monkeypatch.setattr(calls, "sweep_queues", noted)
    async_app.pause("mail")
    async with working(async_app):
        send.enqueue_many([()] * 5)
        assert swept == []
        async_app.set_queue("mail", max_ready=5)
        await auntil(lambda: look.value("select ready from queue_depth") == 5, "the figure")
        with pytest.raises(QueueFull):
            send.enqueue()
        async_app.reset_queue("mail")
        await auntil(lambda: look.value("select count(*) from queue_depth") == 0, "the end of it")
        send.enqueue()


async def test_a_worker_drops_the_oldest_and_says_so(async_app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture) -> None:
    @async_app.task(queue="mail")
    async def send() -> None: ...

    async_app.pause("mail")
    async_app.set_queue("mail", max_ready=2, on_full="drop_oldest")
    jobs = send.enqueue_many([()] * 5)
    async with working(async_app):
        await auntil(lambda: said(caplog, "queue mail is full: its 3 oldest jobs were cancelled"), "the log line")
    assert [look.state(job.id) for job in jobs] == ["cancelled"] * 3 + ["ready"] * 2


async def test_a_worker_counts_the_live_jobs_of_a_large_install_and_no_others(async_app: PgQueue, look: Look) -> None:
    @async_app.task(queue="mail")
    async def send() -> None: ...

    async_app.pause("mail")
    send.enqueue_many([()] * 5)
    async with working(async_app):
        await auntil(lambda: look.value("select count(*) from worker where running = 0") == 1, "the worker")
        assert look.value("select count(*) from depth_sample") == 0
        look.rows("create or replace function is_large() returns bool language sql as 'select true'")
        async_app.pause("other")  # workers look when something changes
        await auntil(lambda: look.value("select sum(jobs) from depth") == 5, "the figures")
        assert look.value("select counted_at is not null from queue_stats")
