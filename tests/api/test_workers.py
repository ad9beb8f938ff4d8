"""Workers over HTTP: lists, one with its jobs, counts, rescues."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta

import httpx

from pgqueue import PgQueue
from pgqueue.api.bodies.pages import Page
from pgqueue.api.bodies.workers import RescueOut, StacksOut, ToldOut, WorkerDetail, WorkerOut, WorkerStats
from tests.api.callers import CallsAs
from tests.api.shapes import read, refused
from tests.client.manual_worker import ManualWorker
from tests.looking import Look

REGISTER = (
    "insert into worker (id, name, host, pid, version, queues, concurrency, lease, started_at, heartbeat_at, running) "
    "select md5(n::text)::uuid, 'w' || n, 'h', n, '1', '{mail}', 4, interval '1 h', '2030-01-01Z', clock_timestamp(), n %% 2 "
    "from generate_series(1, %s) n"
)


def test_pages_have_each_worker_once_even_if_all_have_started_at_one_moment(look: Look, api: httpx.Client) -> None:
    look.rows(REGISTER, 20)
    seen, cursor = list[uuid.UUID](), None
    while True:
        page = read(api.get("/workers", params={"limit": 7} | ({"cursor": cursor} if cursor else {})), Page[WorkerOut])
        seen += [worker.id for worker in page.items]
        if (cursor := page.next) is None:
            break
    assert len(seen) == len(set(seen)) == 20


def test_a_cursor_belongs_to_its_filter(look: Look, api: httpx.Client) -> None:
    look.rows(REGISTER, 3)
    cursor = api.get("/workers", params={"limit": 1}).json()["next"]
    assert "the same filter" in refused(api.get("/workers", params={"cursor": cursor, "status": "IDLE"}), 422, "cursor")


def test_workers_are_found_by_their_status(look: Look, api: httpx.Client) -> None:
    look.rows(REGISTER, 3)
    look.rows("update worker set heartbeat_at = '2020-01-01Z' where name = 'w3'")
    for status, names in {"ACTIVE": ["w1"], "IDLE": ["w2"], "DEAD": ["w3"]}.items():
        assert [worker.name for worker in read(api.get(f"/workers?status={status}"), Page[WorkerOut]).items] == names
    assert "ACTIVE" in refused(api.get("/workers?status=busy"), 422, "status")


def test_counts_name_each_status(look: Look, api: httpx.Client) -> None:
    look.rows(REGISTER, 3)
    found = read(api.get("/workers/stats"), WorkerStats).by_status
    assert [(one.status, one.workers, one.slots, one.running) for one in found] == [
        ("ACTIVE", 2, 8, 2), ("IDLE", 1, 4, 0), ("PAUSED", 0, 0, 0), ("DRAINING", 0, 0, 0), ("DEAD", 0, 0, 0)
    ]  # fmt: skip


def test_a_worker_is_answered_with_the_jobs_that_it_runs(app: PgQueue, api: httpx.Client, manual_worker: ManualWorker) -> None:
    @app.task
    def noop() -> None: ...

    ids = [noop.enqueue().id for _ in range(3)]
    manual_worker.claim()
    (worker,) = read(api.get("/workers"), Page[WorkerOut]).items
    found = read(api.get(f"/workers/{worker.id}"), WorkerDetail)
    assert [job.id for job in found.jobs] == [str(id) for id in ids]
    assert found.lease == 3600


def test_progress_needs_a_key_that_may_read_arguments(
    app: PgQueue, api: httpx.Client, manual_worker: ManualWorker, look: Look, calls_as: Callable[..., None]
) -> None:
    @app.task
    def noop() -> None: ...

    noop.enqueue()
    manual_worker.claim()
    look.rows("update job set progress = '{\"at\": 5}'")
    (worker,) = api.get("/workers").json()["items"]
    assert api.get(f"/workers/{worker['id']}").json()["jobs"][0]["progress"] == {"at": 5}
    calls_as(may_read_arguments=False)
    assert api.get(f"/workers/{worker['id']}").json()["jobs"][0]["progress"] is None


def test_a_worker_that_is_not_there_is_not_found(api: httpx.Client) -> None:
    refused(api.get(f"/workers/{uuid.uuid4()}"), 404)
    refused(api.get("/workers/five"), 422, "worker_id")


def test_rescues_are_counted_by_worker_and_queue(look: Look, api: httpx.Client) -> None:
    look.rows(
        "insert into rescue_log select '2030-01-01Z', n, md5((n %% 3)::text)::uuid, 'q' || n %% 2, 't', n %% 4 = 0 "
        "from generate_series(1, 12) n"
    )
    first = read(api.get("/workers/rescues?limit=4"), Page[RescueOut])
    second = read(api.get(f"/workers/rescues?limit=4&cursor={first.next}"), Page[RescueOut])
    found = {(one.worker_id, one.queue): one for one in first.items + second.items}
    assert (len(found), second.next) == (6, None)
    assert {one.rescued for one in found.values()} == {2}
    assert sum(one.crashed for one in found.values()) == 3
    assert len(api.get("/workers/rescues?queue=q1").json()["items"]) == 3
    assert len(api.get(f"/workers/rescues?worker={first.items[0].worker_id}").json()["items"]) == 2


def test_a_worker_is_asked_for_its_stacks_and_its_answer_is_read(
    app: PgQueue, api: httpx.Client, manual_worker: ManualWorker, look: Look
) -> None:
    (worker,) = read(api.get("/workers"), Page[WorkerOut]).items
    path = f"/workers/{worker.id}/stacks"
    refused(api.get(path), 404)
    asked = read(api.post(path), StacksOut, 202)
    assert (asked.is_open, asked.stacks) == (True, None)
    frame = {"file": "shop/mail.py", "line": 7, "function": "send", "code": "login(password='hunter2')"}
    group = {"names": ["MainThread"], "jobs": ["4711"], "count": 1, "frames": [frame]}
    stacks = {"pid": 5, "python": "3.13", "blocked_for": 2.5, "threads": [group]}
    look.value("select answer_stacks(%s, %s)", worker.id, json.dumps(stacks))
    found = read(api.get(path), StacksOut)
    assert found.is_open is False
    assert found.stacks is not None
    (told,) = found.stacks.threads
    assert (told.jobs, told.frames[0].line, told.frames[0].code) == (["4711"], 7, "login(password='[redacted]')")


def test_a_worker_that_cannot_answer_is_not_asked(api: httpx.Client, manual_worker: ManualWorker, look: Look) -> None:
    refused(api.post(f"/workers/{uuid.uuid4()}/stacks"), 404)
    look.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease")
    refused(api.post(f"/workers/{look.value('select id from worker')}/stacks"), 409)


def test_a_worker_says_what_it_knows_and_its_jobs_when_they_end(
    app: PgQueue, api: httpx.Client, manual_worker: ManualWorker, look: Look
) -> None:
    @app.task(timeout=600)
    def slow() -> None: ...

    slow.enqueue()
    manual_worker.claim()
    look.rows("update worker set tasks = '{slow,noop}', loop_lag = 0.5, memory = 1000")
    (listed,) = read(api.get("/workers"), Page[WorkerOut]).items
    found = read(api.get(f"/workers/{listed.id}"), WorkerDetail)
    assert (found.tasks, listed.loop_lag, listed.memory) == (["slow", "noop"], 0.5, 1000)
    (job,) = found.jobs
    assert job.timeout == 600
    assert job.claimed_at is not None
    assert job.ends_at == job.claimed_at + timedelta(seconds=600)


def test_a_worker_is_told_to_drain_and_to_restart(look: Look, api: httpx.Client) -> None:
    look.rows(REGISTER, 1)
    id = look.value("select id from worker")
    told = [read(api.post(f"/workers/{id}/{what}"), ToldOut) for what in ("drain", "drain", "restart")]
    assert [(one.told, one.changed) for one in told] == [("drain", True), ("drain", False), ("restart", True)]
    (listed,) = read(api.get("/workers"), Page[WorkerOut]).items
    assert listed.told == "restart"
    refused(api.post(f"/workers/{uuid.uuid4()}/drain"), 404)
    look.rows("update worker set wake_mode = 'http'")
    refused(api.post(f"/workers/{id}/restart"), 409)


def test_an_error_that_a_worker_met_is_not_shown_to_a_key_that_may_not_read_arguments(
    look: Look, api: httpx.Client, calls_as: CallsAs
) -> None:
    look.rows(REGISTER, 1)
    look.rows("update worker set last_error = 'ValueError: 4711'")

    def told() -> list[str | None]:
        (listed,) = read(api.get("/workers"), Page[WorkerOut]).items
        return [listed.last_error, read(api.get(f"/workers/{listed.id}"), WorkerDetail).last_error]

    assert told() == ["ValueError: 4711"] * 2
    calls_as(may_read_arguments=False)
    assert told() == [None, None]
