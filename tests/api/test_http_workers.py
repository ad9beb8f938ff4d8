"""The life of a job over HTTP: register, claim, heartbeat, finish, leave."""

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.api import door
from pgqueue.api.callers.caller import Caller
from tests.api.http_worker import HttpWorker, claim_id, succeeded
from tests.waiting import until

Db = psycopg.Connection[Any]


@pytest.fixture
def worker(api: httpx.Client) -> HttpWorker:
    """A registered worker of the queue default."""
    return HttpWorker(api)


def add(connection: Db, args: str = "{}", run_after: str | None = None) -> int:
    """The id of a new job."""
    row = connection.execute("select enqueue('send', %s::jsonb, run_after => %s::text::interval)", (args, run_after)).fetchone()
    assert row is not None
    return int(row[0])


def state(connection: Db, job_id: object) -> str:
    """The state of a job."""
    row = connection.execute("select state::text from jobs where id = %s", (job_id,)).fetchone()
    assert row is not None
    return str(row[0])


def test_a_job_is_claimed_run_and_finished_and_its_numbers_stay_exact(connection: Db, worker: HttpWorker) -> None:
    job_id = add(connection, args='{"number": 9007199254740993, "big": 123456789012345678901234567890, "f": 1.10}')
    answer = worker.api.post(f"/workers/{worker.id}/claim", json={})
    assert '"number": 9007199254740993' in answer.text
    assert "123456789012345678901234567890" in answer.text
    job = answer.json()["jobs"][0]
    assert (job["id"], job["task"], job["attempt"], job["max_attempts"]) == (str(job_id), "send", 1, 4)
    body = f'{{"outcomes": [{{"id": {job_id}, "token": "{answer.json()["token"]}", "state": "succeeded", "result": {10**25}}}]}}'
    ended = worker.api.post(f"/workers/{worker.id}/finish", content=body, headers={"Content-Type": "application/json"})
    assert ended.json() == {"verdicts": [{"job_id": str(job_id), "verdict": "succeeded", "run_at": None}]}
    assert state(connection, job_id) == "succeeded"
    assert connection.execute("select value::text from job_result").fetchone() == (str(10**25),)


def test_numbers_of_ours_may_be_written_in_any_way(connection: Db, worker: HttpWorker) -> None:
    job_id = add(connection)
    (job,) = worker.claim()
    json = {"Content-Type": "application/json"}
    body = (
        f'{{"outcomes": [{{"id": {job_id}, "token": "{job["token"]}", "state": "snoozed", "delay": 6.00e1, "elapsed": 1e-05}}]}}'
    )
    ended = worker.api.post(f"/workers/{worker.id}/finish", content=body, headers=json)
    assert ended.json()["verdicts"][0]["verdict"] == "scheduled"
    assert worker.api.post(f"/workers/{worker.id}/claim", content='{"wait": 0.10}', headers=json).status_code == 200


def test_each_way_to_end_a_run_has_its_path(connection: Db, worker: HttpWorker) -> None:
    ids = [add(connection) for _ in range(5)]
    done, failed, snoozed, waiting, released = worker.claim(5)
    assert worker.end(done, result={"sent": 3}, elapsed=0.5) == {"verdict": "succeeded", "run_at": None}
    error = {"type": "TimeoutError", "message": "x" * 10_000, "traceback": "t" * 100_000}
    assert worker.end(failed, "fail", error=error)["verdict"] == "scheduled"
    assert worker.end(snoozed, "snooze", delay=60)["verdict"] == "scheduled"
    assert worker.end(waiting, "wait", signal="approved")["verdict"] == "scheduled"
    assert worker.post(f"/jobs/{released['id']}/release", {"token": released["token"]}) == {"stored": True}
    states = [state(connection, id) for id in ids]
    assert states == ["succeeded", "scheduled", "scheduled", "scheduled", "ready"]
    kept = connection.execute("select length(errors->-1->>'message'), attempt from job where id = %s", (failed["id"],)).fetchone()
    assert kept == (4096, 1)
    assert connection.execute("select attempt from job where id = %s", (released["id"],)).fetchone() == (0,)


def test_a_job_that_fails_for_good_is_dead(connection: Db, worker: HttpWorker) -> None:
    add(connection)
    (job,) = worker.claim()
    assert worker.end(job, "fail", error={"type": "ValueError"}, final=True)["verdict"] == "dead_letter"
    assert connection.execute("select error_type from dead_letter").fetchone() == ("ValueError",)


def test_a_claim_asked_again_gives_the_same_jobs_that_still_run(connection: Db, worker: HttpWorker) -> None:
    for _ in range(3):
        add(connection)
    id = claim_id()
    first = worker.claim(2, claim_id=id)
    assert [job["token"] for job in first] == [id, id]
    assert worker.claim(2, claim_id=id) == first
    assert worker.finish(succeeded(first[0])) == ["succeeded"]
    assert worker.claim(2, claim_id=id) == first[1:]
    assert len(worker.claim(9)) == 1


def test_an_outcome_sent_again_is_told_from_one_that_comes_too_late(
    connection: Db, api: httpx.Client, worker: HttpWorker
) -> None:
    for _ in range(4):
        add(connection)
    jobs = worker.claim(4)
    failed = {"id": jobs[1]["id"], "token": jobs[1]["token"], "state": "failed", "error": {"type": "E"}, "delay": 60}
    dead = {**failed, "id": jobs[2]["id"], "final": True}
    snoozed = {"id": jobs[3]["id"], "token": jobs[3]["token"], "state": "snoozed", "delay": 60}
    outcomes = [succeeded(jobs[0]), failed, dead, snoozed]
    assert worker.finish(*outcomes) == ["succeeded", "scheduled", "dead_letter", "scheduled"]
    assert worker.finish(*outcomes) == ["repeated", "repeated", "repeated", "unconfirmed"]
    assert worker.end(jobs[0])["verdict"] == "repeated"
    other = HttpWorker(api)
    assert other.finish(*outcomes) == ["stale", "stale", "stale", "unconfirmed"]
    assert other.end(jobs[0], status=409)["type"].endswith("/lease-lost")
    assert worker.finish({**succeeded(jobs[1])}) == ["stale"]


def test_an_outcome_of_a_queue_that_keeps_no_history_cannot_be_confirmed(connection: Db, worker: HttpWorker) -> None:
    connection.execute("""select set_queue('default', '{"keep_succeeded": false}')""")
    add(connection)
    (job,) = worker.claim()
    assert worker.finish(succeeded(job)) == ["succeeded"]
    assert worker.finish(succeeded(job)) == ["unconfirmed"]


def test_a_heartbeat_names_the_runs_that_are_to_end(connection: Db, worker: HttpWorker) -> None:
    asked, forced, _ = (add(connection) for _ in range(3))
    worker.claim(3)
    connection.execute("select cancel(%s)", (asked,))
    connection.execute("select cancel(%s, force => true)", (forced,))
    beat = worker.beat(str(asked), str(forced))
    assert sorted(beat["cancel"], key=lambda one: int(one["job_id"])) == [
        {"job_id": str(asked), "force": False},
        {"job_id": str(forced), "force": True},
    ]
    assert beat["gave_back"] == []
    assert connection.execute("select wake_mode, running from worker where id = %s", (worker.id,)).fetchone() == ("http", 2)


def test_a_heartbeat_gives_back_what_the_worker_does_not_know(connection: Db, worker: HttpWorker) -> None:
    """The answer to its claim was lost, longer ago than an answer takes."""
    known, lost, young = (add(connection) for _ in range(3))
    worker.claim(3)
    connection.execute("update job set claimed_at = claimed_at - interval '1 min' where id <> %s", (young,))
    assert worker.beat(str(known))["gave_back"] == [str(lost)]
    assert [state(connection, id) for id in (known, lost, young)] == ["running", "ready", "running"]


def test_a_lost_worker_is_refused_and_registers_again(connection: Db, api: httpx.Client, worker: HttpWorker) -> None:
    job_id = add(connection)
    (job,) = worker.claim()
    connection.execute("update worker set heartbeat_at = heartbeat_at - interval '1 h' where id = %s", (worker.id,))
    connection.execute("select mark_lost()")
    connection.execute("select rescue()")
    for path in ("heartbeat", "claim"):
        refused = worker.post(f"/workers/{worker.id}/{path}", {}, 409)
        assert refused["type"].endswith("/lease-lost")
    assert worker.end(job, status=409)["type"].endswith("/lease-lost")
    again = HttpWorker(api)
    (job,) = again.claim()
    assert job["id"] == str(job_id)
    again.end(job)


def test_a_worker_that_leaves_gives_its_jobs_back_without_an_attempt(
    connection: Db, api: httpx.Client, worker: HttpWorker
) -> None:
    job_id = add(connection)
    worker.claim()
    assert api.request("DELETE", f"/workers/{worker.id}", json={"cut_off": [str(job_id)]}).json() == {"gave_back": [str(job_id)]}
    assert connection.execute("select state::text, attempt from job").fetchone() == ("ready", 0)
    assert api.delete(f"/workers/{worker.id}").json() == {"gave_back": []}


def test_what_a_run_says_is_kept_with_its_job(connection: Db, worker: HttpWorker) -> None:
    job_id = add(connection)
    (job,) = worker.claim()
    run = {"token": job["token"]}
    assert worker.post(f"/jobs/{job_id}/progress", {**run, "done": 3, "total": 9, "note": "mails"}) == {"stored": True}
    lines = {**run, "worker": worker.id, "first": 1, "lines": [{"message": "one"}, {"message": "two", "fields": {"n": 1}}]}
    assert worker.post(f"/jobs/{job_id}/log", lines) == worker.post(f"/jobs/{job_id}/log", lines)
    assert worker.post(f"/jobs/{job_id}/run-steps", run) == {"steps": {}}
    assert worker.api.put(f"/jobs/{job_id}/steps/charge", json={**run, "value": [1, 2]}).json() == {"stored": True}
    assert worker.post(f"/jobs/{job_id}/run-steps", run) == {"steps": {"charge": [1, 2]}}
    assert worker.post(f"/jobs/{job_id}/wait-for", {**run, "signal": "paid"}) == {
        "answer": "waits",
        "payload": None,
        "until": None,
    }
    connection.execute("""select signal(%s, 'paid', '{"by": "card"}')""", (job_id,))
    heard = worker.post(f"/jobs/{job_id}/wait-for", {**run, "signal": "paid"})
    assert (heard["answer"], heard["payload"]) == ("signaled", {"by": "card"})
    assert connection.execute("select message from job_log order by seq").fetchall() == [("one",), ("two",)]
    assert connection.execute("select progress->>'done' from job").fetchone() == ("3",)


def test_what_a_stale_run_says_is_refused(connection: Db, worker: HttpWorker) -> None:
    job_id = add(connection)
    worker.claim()
    stale = {"token": str(uuid.uuid4())}
    bodies: dict[str, dict[str, Any]] = {
        "complete": {},
        "fail": {"error": {"type": "E"}},
        "snooze": {"delay": 1},
        "wait": {"signal": "x"},
        "release": {},
        "progress": {"done": 1},
        "log": {"worker": worker.id, "first": 1, "lines": [{"message": "x"}]},
        "run-steps": {},
        "wait-for": {"signal": "x"},
    }
    for verb, body in bodies.items():
        assert worker.post(f"/jobs/{job_id}/{verb}", {**stale, **body}, 409)["type"].endswith("/lease-lost"), verb
    assert worker.api.put(f"/jobs/{job_id}/steps/x", json=stale).status_code == 409
    assert connection.execute("select state::text, progress, errors from job").fetchone() == ("running", None, None)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/workers", {"queues": []}, "queues"),
        ("/workers", {"queues": ["x"], "lease": 1}, "lease"),
        ("/workers/{id}/claim", {"want": 1001}, "want"),
        ("/workers/{id}/claim", {"wait": 31}, "wait"),
        ("/workers/{id}/claim", {"claim_id": "mine"}, "claim_id"),
        ("/workers/{id}/heartbeat", {"running": ["x"]}, "running.0"),
        ("/workers/mine/heartbeat", {}, "worker_id"),
        (
            "/workers/{id}/finish",
            {"outcomes": [{"id": "1", "token": str(uuid.UUID(int=1)), "state": "ready"}]},
            "outcomes.0.state",
        ),
        ("/workers/{id}/finish", {"outcomes": [{"id": "1", "token": str(uuid.UUID(int=1)), "state": "failed"}] * 2}, "outcomes"),
        ("/jobs/1/snooze", {"token": str(uuid.UUID(int=1))}, "delay"),
        ("/jobs/x/complete", {"token": str(uuid.UUID(int=1))}, "job_id"),
    ],
)
def test_what_is_not_valid_is_refused_by_name(worker: HttpWorker, path: str, body: Any, field: str) -> None:
    refused = worker.post(path.replace("{id}", worker.id), body, 422)
    assert refused["field"] == field
    assert refused["remedy"]


def test_a_locked_job_is_busy_and_the_others_of_its_batch_are_done(connect: Any, connection: Db, worker: HttpWorker) -> None:
    add(connection), add(connection)
    jobs = worker.claim(2)
    other = connect(autocommit=False)
    other.execute("select from job where id = %s for update", (jobs[0]["id"],))
    assert worker.finish(*map(succeeded, jobs)) == ["busy", "succeeded"]
    assert worker.end(jobs[0], status=503)["type"].endswith("/locked")
    other.rollback()
    assert worker.end(jobs[0])["verdict"] == "succeeded"


def test_with_http_workers_alone_the_api_does_the_upkeep(connection: Db, app: PgQueue, worker: HttpWorker) -> None:
    """Promotion, rescue, schedules: no worker of Python runs."""
    until(lambda: connection.execute("select 1 from worker where name like 'api %' and queues = '{}'").fetchone(), "upkeep")
    due = add(connection, run_after="0.2 s")
    (job,) = until(lambda: worker.claim(wait=1), "the promoted job")
    assert job["id"] == str(due)
    connection.execute("update worker set heartbeat_at = heartbeat_at - interval '1 h' where id = %s", (worker.id,))
    until(lambda: state(connection, due) == "ready", "the rescue", within=5)


def test_who_waits_for_a_result_is_told_when_an_http_worker_finishes(connection: Db, app: PgQueue, worker: HttpWorker) -> None:
    """By the upkeep of the API, which hears that somebody waits."""
    until(
        lambda: connection.execute("select 1 from worker where name like 'api %' and wake_mode = 'notify'").fetchone(), "upkeep"
    )
    channel = connection.execute("select channel()").fetchone()
    assert channel is not None
    connection.execute(f'listen "{channel[0]}_done"'.encode())
    until(lambda: connection.execute("select ask_results()") and _told(connection, worker), "the notification")


def _told(connection: Db, worker: HttpWorker) -> bool:
    job_id = add(connection)
    (job,) = worker.claim()
    worker.end(job)
    return any(heard.payload == str(job_id) for heard in connection.notifies(timeout=0.3, stop_after=1))


def test_a_key_for_some_queues_works_for_those_alone(
    connection: Db, api: httpx.Client, worker: HttpWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("select enqueue('send', queue => 'mail'), enqueue('send')")
    (foreign,) = worker.claim()

    async def enter(*_: Any) -> Caller:
        return Caller("mailer", "worker", "127.0.0.1", "k", frozenset({"mail"}))

    monkeypatch.setattr(door, "enter", enter)
    assert worker.post("/workers", {"queues": ["mail", "default"]}, 403)["type"].endswith("/forbidden")
    mailer = HttpWorker(api, queues=["mail"])
    assert mailer.post(f"/workers/{mailer.id}/claim", {"queues": ["default"]}, 403)
    for verb, body in (("heartbeat", {}), ("claim", {"queues": ["mail"]})):
        worker.post(f"/workers/{worker.id}/{verb}", body, 409)
    assert api.delete(f"/workers/{worker.id}").status_code == 409
    assert mailer.finish(succeeded(foreign)) == ["stale"]
    for verb, more in (("complete", {}), ("progress", {"done": 1}), ("release", {}), ("run-steps", {})):
        mailer.post(f"/jobs/{foreign['id']}/{verb}", {"token": foreign["token"], **more}, 404)
    assert state(connection, foreign["id"]) == "running"
    (own,) = mailer.claim()
    assert own["queue"] == "mail"
    assert mailer.finish(succeeded(own)) == ["succeeded"]


def test_a_run_of_a_key_for_some_queues_adds_jobs_to_those_alone(
    connection: Db, api: httpx.Client, calls_as: Callable[..., None]
) -> None:
    flow = '[{"task": "a", "queue": "mail", "name": "a"}, {"task": "b", "queue": "secret", "name": "b"}]'
    connection.execute("select enqueue_workflow(%s::jsonb)", (flow,))
    secret = connection.execute("select id from job where queue = 'secret'").fetchall()[0][0]
    calls_as(role="worker", queues=frozenset({"mail"}))
    mailer = HttpWorker(api, queues=["mail"])
    (job,) = mailer.claim()
    step, itself = {"task": "steal", "queue": "mail", "takes": "result"}, {"job": int(job["id"])}
    for node in ({"task": "steal", "queue": "secret"}, {"task": "steal"}, {**step, "after": ["b"]}, {**step, "before": ["b"]}):
        assert mailer.end(job, status=403, nodes=[node])["type"].endswith("/forbidden")
        mailer.post(f"/workers/{mailer.id}/finish", {"outcomes": [succeeded(job, nodes=[node])]}, 403)
    assert mailer.end(job, status=404, nodes=[{**step, "after": [{"job": secret}]}])["type"].endswith("/not-found")
    assert state(connection, job["id"]) == "running"
    more = [{"task": "c", "queue": "mail", "name": "c", "after": [itself]}, {"task": "d", "queue": "mail", "after": ["c"]}]
    assert mailer.end(job, nodes=more)["verdict"] == "succeeded"
    assert connection.execute("select count(*) from job where queue = 'mail'").fetchone() == (2,)


def test_a_key_that_may_not_read_arguments_claims_nothing(
    connection: Db, worker: HttpWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def enter(*_: Any) -> Caller:
        return Caller("blind", "worker", "127.0.0.1", "k", None, may_read_arguments=False)

    monkeypatch.setattr(door, "enter", enter)
    worker.post(f"/workers/{worker.id}/claim", {}, 403)
