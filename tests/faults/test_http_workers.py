"""FAULTS 1, 3, 8 and 55 over HTTP: many workers, stale workers, workers that die, a server whose database is cut."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.api import create_app
from tests.api.http_worker import HttpWorker, succeeded
from tests.api.serving import served
from tests.looking import Look
from tests.waiting import until

Enqueue = Callable[..., list[int]]
Db = psycopg.Connection[Any]


@pytest.fixture
def base_url(app: PgQueue) -> Iterator[str]:
    """The API of `app`."""
    with served(create_app(app)) as url:
        yield url


@pytest.fixture
def api(base_url: str) -> Iterator[httpx.Client]:
    """A client of the API with room for many requests at once."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    with httpx.Client(base_url=f"{base_url}/api/v1", timeout=60, limits=limits) as client:
        yield client


def _work(worker: HttpWorker, ran: Counter[str], lock: threading.Lock, is_done: Callable[[], bool], want: int = 10) -> None:
    while not is_done():
        jobs = worker.claim(want, wait=0.5)
        with lock:
            ran.update(job["id"] for job in jobs)
        if jobs:
            assert set(worker.finish(*map(succeeded, jobs))) == {"succeeded"}


def _all_by(workers: list[HttpWorker], look: Look, ids: list[int], want: int = 10) -> None:
    ran, lock = Counter[str](), threading.Lock()
    with ThreadPoolExecutor(len(workers)) as threads:
        done = [threads.submit(_work, one, ran, lock, lambda: sum(ran.values()) >= len(ids), want) for one in workers]
        for one in done:
            one.result(120)
    assert ran == {str(id): 1 for id in ids}
    assert look.value("select count(*) from job_history where state = 'succeeded' and attempt = 1") == len(ids)
    assert look.live() == 0


def test_ten_http_workers_run_each_of_500_jobs_exactly_once(api: httpx.Client, look: Look, enqueue: Enqueue) -> None:
    ids = enqueue("noop", 500)
    _all_by([HttpWorker(api) for _ in range(10)], look, ids)


@pytest.mark.slow
def test_fifty_http_workers_run_each_of_1000_jobs_exactly_once(api: httpx.Client, look: Look, enqueue: Enqueue) -> None:
    ids = enqueue("noop", 1000)
    _all_by([HttpWorker(api) for _ in range(50)], look, ids, want=3)


def test_two_workers_that_poll_at_once_share_the_jobs_while_a_third_completes(
    api: httpx.Client, look: Look, enqueue: Enqueue
) -> None:
    first, second, third = (HttpWorker(api) for _ in range(3))
    enqueue("noop")
    (held,) = third.claim()
    with ThreadPoolExecutor(2) as threads:
        polls = [threads.submit(one.claim, wait=10) for one in (first, second)]
        third.end(held)
        ids = enqueue("noop", 2)
        taken = [job["id"] for poll in polls for job in poll.result(15)]
    assert sorted(taken) == sorted(map(str, ids))


def _lose(connection: Db, worker: HttpWorker) -> None:
    connection.execute("update worker set heartbeat_at = heartbeat_at - interval '1 h' where id = %s", (worker.id,))
    connection.execute("select mark_lost()")
    connection.execute("select rescue()")


def test_a_stale_worker_changes_nothing_and_the_next_owners_finish_stands(
    api: httpx.Client, connection: Db, look: Look, enqueue: Enqueue
) -> None:
    """FAULTS 3: complete, fail, snooze, progress, log, a step, a batch and a heartbeat."""
    (id,) = enqueue("noop")
    stale, owner = HttpWorker(api), HttpWorker(api)
    (old,) = stale.claim()
    _lose(connection, stale)
    (new,) = owner.claim()
    assert (new["id"], new["token"] != old["token"]) == (old["id"], True)
    stale.end(old, status=409)
    stale.end(old, "fail", 409, error={"type": "E"})
    stale.end(old, "snooze", 409, delay=5)
    stale.post(f"/jobs/{id}/progress", {"token": old["token"], "done": 1}, 409)
    assert stale.api.put(f"/jobs/{id}/steps/x", json={"token": old["token"]}).status_code == 409
    assert stale.finish(succeeded(old, result="stale")) == ["stale"]
    stale.post(f"/workers/{stale.id}/heartbeat", {"running": [old["id"]]}, 409)
    row = look.rows("select state::text, progress, worker_id from job where id = %s", id)[0]
    assert (row["state"], row["progress"], row["worker_id"]) == ("running", None, uuid.UUID(owner.id))
    assert owner.finish(succeeded(new, result="own")) == ["succeeded"]
    assert stale.finish(succeeded(old, result="stale")) == ["stale"]
    assert look.value("select value from job_result where job_id = %s", id) == "own"


def test_a_rescue_while_a_worker_completes_lets_one_of_them_win(
    api: httpx.Client, connect: Callable[..., Db], look: Look, enqueue: Enqueue
) -> None:
    """The rescue holds the job; the outcome is busy until it commits, and stale then."""
    enqueue("noop")
    worker = HttpWorker(api)
    (job,) = worker.claim()
    janitor = connect(autocommit=False)
    janitor.execute("update worker set state = 'lost' where id = %s", (worker.id,))
    assert janitor.execute("select rescue()").fetchone() == (1,)
    assert worker.finish(succeeded(job)) == ["busy"]
    janitor.commit()
    assert worker.finish(succeeded(job)) == ["stale"]
    assert look.value("select state::text from job") == "ready"


def test_jobs_of_an_http_worker_that_dies_run_elsewhere(api: httpx.Client, connection: Db, look: Look, enqueue: Enqueue) -> None:
    """FAULTS 8: the API process rescues them, no worker of Python runs."""
    ids = enqueue("noop", 5)
    dead, living = HttpWorker(api), HttpWorker(api)
    assert len(dead.claim(5)) == 5
    dead.beat(*map(str, ids[:2]))
    connection.execute("update worker set heartbeat_at = heartbeat_at - interval '1 h' where id = %s", (dead.id,))
    jobs: list[dict[str, Any]] = []

    def all_claimed() -> bool:
        jobs.extend(living.claim(5, wait=1))
        return len(jobs) == 5

    until(all_claimed, "the rescue", within=10)
    assert set(living.finish(*map(succeeded, jobs))) == {"succeeded"}
    assert look.value("select count(*) from job_history where attempt = 1") == 3, "those that had not started lose no attempt"


def test_the_upkeep_survives_that_all_connections_are_cut(api: httpx.Client, connection: Db, look: Look) -> None:
    worker = HttpWorker(api)
    until(lambda: look.value("select count(*) from worker where wake_mode = 'notify'") == 1, "upkeep")
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    connection.execute(cut)
    connection.execute("select enqueue('noop', run_after => '0.2 s')")
    claimed: list[Any] = []

    def claims() -> bool:
        answer = api.post(f"/workers/{worker.id}/claim", json={"wait": 1})
        claimed.extend(answer.json().get("jobs", []))
        return bool(claimed)

    until(claims, "the promoted job", within=20)
