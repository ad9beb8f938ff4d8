"""Long polls for jobs: who has gone claims nothing, and what reaches nobody is given back."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from pgqueue.api.waiting import hub
from pgqueue.api.workers import polls
from pgqueue.api.workers.polls import Polls
from pgqueue.database.call import Call
from pgqueue.database.calls import run as run_calls
from tests.api.http_worker import HttpWorker, claim_id
from tests.waiting import until

Db = psycopg.Connection[Any]
CLAIMING = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%%.claim(%%' limit 1"


@pytest.fixture
def worker(api: httpx.Client) -> HttpWorker:
    """A registered worker of the queue default."""
    return HttpWorker(api)


def one(connection: Db, query: str, *params: Any) -> Any:
    """The only value of a query."""
    row = connection.execute(query.encode(), params).fetchone()
    return None if row is None else row[0]


@contextmanager
def cuttable(base_url: str, worker: HttpWorker, **body: Any) -> Iterator[socket.socket]:
    """A socket on which a claim was sent."""
    url, text = urlsplit(base_url), json.dumps(body)
    with socket.create_connection((url.hostname, url.port)) as raw:
        head = f"POST /api/v1/workers/{worker.id}/claim HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode())
        yield raw


@pytest.fixture
def open_polls(monkeypatch: pytest.MonkeyPatch) -> list[Polls]:
    """The polls of the server, as soon as it is there."""
    seen: list[Polls] = []
    original = Polls.__init__

    def noted(self: Polls, *args: Any) -> None:
        original(self, *args)
        seen.append(self)

    monkeypatch.setattr(Polls, "__init__", noted)
    return seen


def waiting(open_polls: list[Polls]) -> int:
    """How many polls wait."""
    return sum(len(found._open) for found in open_polls)


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each claim was sent to the database."""
    sent: list[float] = []
    original: Callable[..., Call[Any]] = run_calls.claim

    def noted(*args: Any) -> Call[Any]:
        sent.append(time.monotonic())
        return original(*args)

    monkeypatch.setattr(run_calls, "claim", noted)
    return sent


def test_a_poll_waits_for_the_first_job(connection: Db, worker: HttpWorker) -> None:
    assert worker.claim() == []
    with ThreadPoolExecutor(1) as thread:
        polling = thread.submit(worker.claim, wait=20)
        connection.execute("select enqueue('send')")
        assert [job["task"] for job in polling.result(10)] == ["send"]


def test_a_poll_whose_client_is_gone_claims_nothing(
    open_polls: list[Polls], connection: Db, base_url: str, worker: HttpWorker, claims: list[float]
) -> None:
    with cuttable(base_url, worker, wait=20):
        until(lambda: waiting(open_polls), "the poll")
    until(lambda: not waiting(open_polls), "its end", within=1)
    before = len(claims)
    connection.execute("select enqueue('send')")
    assert one(connection, "select state::text from job") == "ready"
    assert len(claims) == before
    assert len(worker.claim()) == 1


def test_jobs_whose_client_goes_between_claim_and_answer_are_given_back_within_a_second(
    open_polls: list[Polls], connection: Db, connect: Callable[..., Db], base_url: str, worker: HttpWorker
) -> None:
    """The claim is held in the database while the client goes."""
    connection.execute("select enqueue('send')")
    other = connect(autocommit=False)
    other.execute("lock table pause in access exclusive mode")
    with cuttable(base_url, worker, wait=20):
        until(lambda: one(connection, CLAIMING), "the claim")
    cut_at = time.monotonic()
    other.rollback()
    until(lambda: not waiting(open_polls), "the end of the poll", within=5)
    assert time.monotonic() - cut_at < 1.5
    assert one(connection, "select state::text || attempt from job") == "ready0"


def test_an_answer_that_nobody_reads_is_given_back(
    open_polls: list[Polls], connection: Db, base_url: str, worker: HttpWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket is open, and full."""
    monkeypatch.setattr("pgqueue.api.workers.handover.HAND_OVER_WITHIN", 0.5)
    connection.execute("select enqueue('send', jsonb_build_object('x', repeat('x', 300000))) from generate_series(1, 25)")
    with cuttable(base_url, worker, want=25):
        until(lambda: one(connection, "select count(*) from job where state = 'running'") == 25, "the claim")
        until(lambda: one(connection, "select count(*) from job where state = 'ready'") == 25, "giving back", within=3)


def test_an_answer_is_bounded_and_the_rest_is_given_back(connection: Db, worker: HttpWorker) -> None:
    connection.execute("select enqueue('send', jsonb_build_object('x', repeat('x', 900000))) from generate_series(1, 12)")
    assert len(worker.claim(1000)) == 9
    assert one(connection, "select count(*) from job where state = 'ready' and attempt = 0") == 3


def test_a_job_larger_than_the_bound_is_answered_alone(
    connection: Db, worker: HttpWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polls, "MOST_BYTES", 10)
    connection.execute("select enqueue('send', jsonb_build_object('x', repeat('x', 100))) from generate_series(1, 2)")
    assert len(worker.claim(2)) == 1


def test_a_claim_asked_again_takes_the_place_of_one_that_waits(
    open_polls: list[Polls], connection: Db, worker: HttpWorker
) -> None:
    id = claim_id()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(worker.claim, wait=20, claim_id=id)
        until(lambda: waiting(open_polls), "the first")
        second = threads.submit(worker.claim, wait=20, claim_id=id)
        assert first.result(5) == []
        connection.execute("select enqueue('send')")
        assert [job["token"] for job in second.result(5)] == [id]


def test_a_claim_asked_again_while_the_first_is_in_the_database_gets_its_jobs(
    open_polls: list[Polls], connection: Db, connect: Callable[..., Db], base_url: str, worker: HttpWorker
) -> None:
    """The client of the first is gone. The second waits until nothing of the first is left to do."""
    connection.execute("select enqueue('send')")
    other = connect(autocommit=False)
    other.execute("lock table pause in access exclusive mode")
    id = claim_id()
    with ThreadPoolExecutor(1) as thread:
        with cuttable(base_url, worker, wait=20, claim_id=id):
            until(lambda: one(connection, CLAIMING), "the claim")
            first = open_polls[-1]._open.copy().popitem()[1]
            second = thread.submit(worker.claim, wait=20, claim_id=id)
            until(lambda: first.is_replaced, "the second")
        other.rollback()
        assert [job["token"] for job in second.result(10)] == [id]
    assert one(connection, "select state::text || attempt from job") == "running1"


def test_a_hundred_idle_polls_look_a_few_times_a_second_and_share_the_jobs(
    open_polls: list[Polls], connection: Db, base_url: str, worker: HttpWorker, claims: list[float]
) -> None:
    taken: list[str] = []
    lock = threading.Lock()

    def poll() -> None:
        answer = client.post(f"/workers/{worker.id}/claim", json={"wait": 20}).json()
        with lock:
            taken.extend(job["id"] for job in answer["jobs"])

    client = httpx.Client(base_url=f"{base_url}/api/v1", timeout=60, limits=httpx.Limits(max_connections=100))
    with client, ThreadPoolExecutor(100) as threads:
        for _ in range(100):
            threads.submit(poll)
        until(lambda: waiting(open_polls) == 100, "all of them")
        until(lambda: time.monotonic() - claims[-1] > 0.1, "the end of their first looks")
        began, before = time.monotonic(), len(claims)
        until(lambda: len(claims) >= before + 3, "three looks")
        assert time.monotonic() - began > 1.5 * hub.BACKSTOP, "they looked more often than needed"
        idle = one(connection, "select count(*) from pg_stat_activity where datname = current_database()")
        assert idle < 30
        connection.execute("select enqueue('send') from generate_series(1, 100)")
    assert len(taken) == len(set(taken)) == 100


def test_polls_end_when_the_process_is_about_to_end(
    open_polls: list[Polls], connection: Db, base_url: str, worker: HttpWorker
) -> None:
    with ThreadPoolExecutor(1) as thread:
        polling = thread.submit(worker.claim, wait=25)
        until(lambda: waiting(open_polls), "the poll")
        found = open_polls[-1]
        loop = next(iter(found._open.values())).over.get_loop()
        loop.call_soon_threadsafe(found._stopping.set)
        assert polling.result(1) == []


def test_too_many_polls_are_refused(worker: HttpWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polls, "MOST_POLLS", 0)
    assert worker.post(f"/workers/{worker.id}/claim", {}, 429)["type"].endswith("/too-many-streams")
