"""The four ways to enqueue."""

import asyncio
import os
import threading

import pytest

from pgqueue import PgQueue, Task
from pgqueue.errors import InvalidArgument
from tests.looking import Look

HOSTILE = "'; drop table job; -- \" \\ <script> %s {schema} \u2028 \U0001f600" + "x" * 10_000


def test_a_job_is_there_when_enqueue_returns(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(42)
    assert look.job(job.id)["args"] == {"user_id": 42}
    assert repr(job) == f"Job({job.id})"


async def test_async_code_enqueues_with_aenqueue(async_app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    job = await welcome.aenqueue(42)
    assert look.job(job.id)["args"] == {"user_id": 42}


def test_enqueue_many_returns_the_jobs_in_the_order_of_their_arguments(welcome: Task[[int], str], look: Look) -> None:
    jobs = welcome.enqueue_many([(3,), {"user_id": 1}, (2,)])
    assert [look.job(job.id)["args"]["user_id"] for job in jobs] == [3, 1, 2]
    assert [job.id for job in jobs] == sorted(job.id for job in jobs)


async def test_async_code_enqueues_many_with_aenqueue_many(async_app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    jobs = await welcome.aenqueue_many((n,) for n in range(1000))
    assert len({job.id for job in jobs}) == look.live() == 1000


def test_enqueue_many_of_nothing_enqueues_nothing(welcome: Task[[int], str], look: Look) -> None:
    assert welcome.enqueue_many([]) == []
    assert look.live() == 0


def test_one_wrong_call_of_many_enqueues_none(welcome: Task[[int], str], look: Look) -> None:
    with pytest.raises(InvalidArgument, match="has no argument 'name'"):
        welcome.enqueue_many([(1,), {"name": "x"}])
    assert look.live() == 0


def test_hostile_arguments_are_stored_literally(app: PgQueue, look: Look) -> None:
    task = app.task(name=HOSTILE[:200])(lambda text: None)
    job = task.using(meta={HOSTILE: HOSTILE}).enqueue(HOSTILE)
    row = look.job(job.id)
    assert (row["task"], row["args"], row["meta"]) == (HOSTILE[:200], {"text": HOSTILE}, {HOSTILE: HOSTILE})


@pytest.mark.parametrize("text", ["nul \x00", "half a surrogate \ud800"])
def test_text_that_postgresql_cannot_hold_is_refused(app: PgQueue, look: Look, text: str) -> None:
    task = app.task(name="store")(lambda text: None)
    with pytest.raises(InvalidArgument):
        task.enqueue(text)
    with pytest.raises(InvalidArgument):
        task.enqueue_many([("fine",), (text,)])
    assert look.live() == 0
    task.enqueue("fine")  # the connection is as good as before
    assert look.live() == 1


def test_threads_share_an_app(welcome: Task[[int], str], look: Look) -> None:
    threads = [threading.Thread(target=lambda: [welcome.enqueue(n) for n in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert look.live() == 160


def test_event_loops_one_after_the_other_share_an_app(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    async def once() -> None:
        await asyncio.gather(*(welcome.aenqueue(n) for n in range(10)))
        await app.aclose()

    asyncio.run(once())
    asyncio.run(once())
    assert look.live() == 20


def test_a_forked_child_opens_its_own_connection(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    welcome.enqueue(1)
    app.close()  # no thread of the pool may run while we fork
    pid = os.fork()
    if pid == 0:
        try:
            welcome.enqueue(2)
            app.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    welcome.enqueue(3)
    assert look.live() == 3


def test_a_closed_app_opens_again_at_the_next_call(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    welcome.enqueue(1)
    app.close()
    welcome.enqueue(2)
    assert look.live() == 2


def test_our_connections_say_whose_they_are(welcome: Task[[int], str], look: Look) -> None:
    welcome.enqueue(1)
    query = "select count(*) from pg_stat_activity where application_name = 'pgqueue' and datname = current_database()"
    assert look.value(query) == 1
