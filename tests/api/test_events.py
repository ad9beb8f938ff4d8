"""Server-sent events: what is told of jobs and workflows, and how a reader goes on where it was."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.api import create_app, door
from pgqueue.api.callers.caller import Caller
from pgqueue.api.events import job as job_module
from pgqueue.api.events import jobs as jobs_module
from pgqueue.api.events import streams
from pgqueue.api.waiting import hearing
from tests.api.serving import served
from tests.sql.conftest import Sql
from tests.waiting import until

from .streaming import end_streams, reading


@pytest.fixture
def sql(connection: psycopg.Connection[Any]) -> Sql:
    """What a worker and other clients do."""
    return Sql(connection)


@pytest.fixture
def application(app: PgQueue) -> Any:
    """The application behind `base_url`."""
    return create_app(app)


@pytest.fixture
def base_url(application: Any) -> Iterator[str]:
    with served(application) as url:
        yield url
        end_streams(application.state.pgqueue)


def say(sql: Sql, id: int, token: Any, *messages: str, first: int = 1) -> None:
    """Add lines to the log of a job."""
    lines = [{"n": n, "ago": 0, "level": "info", "message": message} for n, message in enumerate(messages, first)]
    worker = sql.value("select worker_id from job where id = %s", id)
    sql.value("select add_log(%s, %s)", worker, json.dumps([{"id": id, "token": str(token), "attempt": 1, "lines": lines}]))
    sql.value("select wake_waiters(%s::bigint[])", [id])


def test_a_job_is_followed_from_its_state_to_its_end(api: httpx.Client, sql: Sql) -> None:
    """Lines come before the end, whatever the order in which the database gets them."""
    id = sql.enqueue(queue="mail")
    with reading(api, f"/jobs/{id}/events") as stream:
        stream.wait_for("state", state="ready", attempt=0, is_over=False)
        token, _ = sql.claim(sql.worker(queues=("mail",)), queues=("mail",))
        stream.wait_for("state", state="running", attempt=1)
        say(sql, id, token, "hello", "world")
        stream.wait_for("log", seq=2, message="world")
        sql.value("select progress(%s, %s, 1)", id, token)
        stream.wait_for("progress", done=1)
        sql.finish(token, {"id": id, "state": "succeeded"})
        came = stream.wait_end()
    assert came[-1].data == {"state": "succeeded", "attempt": 1, "reason": None, "is_over": True}
    assert [event.data["message"] for event in came if event.name == "log"] == ["hello", "world"]
    assert all(event.id for event in came)
    assert len({event.id for event in came}) == len(came)


def test_a_reader_that_comes_again_gets_what_it_has_missed_and_nothing_twice(api: httpx.Client, sql: Sql) -> None:
    """By the id of any event, in the header or in the query."""
    id, token = sql.running()
    say(sql, id, token, "1", "2", "3")
    with reading(api, f"/jobs/{id}/events") as stream:
        stream.wait_for("state", state="running")
        first = list(stream.came)
    say(sql, id, token, "4", first=4)
    for number, event in enumerate(first):
        rest = [(one.name, one.data) for one in first[number + 1 :]]
        with reading(api, f"/jobs/{id}/events", event.id) as again:
            again.wait_for("log", message="4")
            logs = [(one.name, one.data) for one in again.came if one.name == "log"]
            assert logs[:-1] == [one for one in rest if one[0] == "log"]
    with reading(api, f"/jobs/{id}/events", last_event_id=first[-1].id) as again:
        again.wait_for("log", message="4")
        assert again.names() == ["log"]


def test_a_job_that_is_over_is_told_once(api: httpx.Client, sql: Sql) -> None:
    """A browser comes again after the end of every stream; 204 makes it stop."""
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "succeeded"})
    with reading(api, f"/jobs/{id}/events") as stream:
        (end,) = stream.wait_end()
    assert end.data["is_over"]
    assert api.get(f"/jobs/{id}/events", headers={"Last-Event-ID": end.id}).status_code == 204


def test_an_id_of_another_job_resets_the_reader(api: httpx.Client, sql: Sql) -> None:
    """All is told from the beginning."""
    id, token = sql.running()
    say(sql, id, token, "1")
    for strange in ("nonsense", "999.1.running.-"):
        with reading(api, f"/jobs/{id}/events", strange) as stream:
            stream.wait_for("state", state="running")
            assert stream.names() == ["reset", "log", "state"]


def test_lines_that_are_not_kept_for_a_slow_reader_reset_it(api: httpx.Client, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    """The buffer is bounded by bytes."""
    monkeypatch.setattr(job_module, "MOST_BYTES", 600)
    id, token = sql.running()
    say(sql, id, token, *(f"line {n}" for n in range(20)))
    with reading(api, f"/jobs/{id}/events") as stream:
        stream.wait_for("log", message="line 19")
        assert stream.names()[0] == "reset"
        assert 1 <= stream.names().count("log") < 10


@pytest.mark.parametrize("path", ["/jobs/999/events", "/workflows/999/events"])
def test_what_does_not_exist_is_refused_before_the_stream(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("path", "field"),
    [("/events?state=sleeping", "state"), ("/events?nonsense=1", "nonsense"), ("/jobs/x/events", "job_id")],
)
def test_what_is_invalid_is_refused_before_the_stream(api: httpx.Client, path: str, field: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert field in answer.json()["detail"]


def test_the_jobs_of_a_filter_are_told_as_they_change(api: httpx.Client, sql: Sql) -> None:
    """Without arguments and results."""
    sql.enqueue(queue="mail")
    with reading(api, "/events", queue="mail") as stream:
        stream.wait_for("ready")
        sql.enqueue()
        id = sql.enqueue(args={"secret": "s3cr3t"}, queue="mail", priority=1)
        stream.wait_for("created", id=str(id), queue="mail", task="noop", state="ready", attempt=0)
        token, _ = sql.claim(sql.worker(queues=("mail",)), want=1, queues=("mail",))
        stream.wait_for("started", id=str(id), state="running", attempt=1)
        sql.finish(token, {"id": id, "state": "succeeded", "result": "s3cr3t"})
        stream.wait_for("ended", id=str(id), state="succeeded")
        came = list(stream.came)
    assert [event.name for event in came] == ["ready", "created", "started", "ended"]
    assert "s3cr3t" not in str(came)


def test_a_reader_of_a_filter_that_comes_again_loses_and_doubles_nothing(
    api: httpx.Client, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever has happened while it was away, as long as the process remembers it."""
    got: list[str] = []
    last, made = None, []
    for _ in range(4):
        with reading(api, "/events", last) as stream:
            if last is None:
                stream.wait_for("ready")
            made += [str(sql.enqueue()) for _ in range(3)]
            stream.wait(lambda came: [e for e in came if e.name == "created"], "one of them")
            came = list(stream.came)
        got += [event.data["id"] for event in came if event.name == "created"]
        assert "reset" not in stream.names()
        last = came[-1].id
        made += [str(sql.enqueue()) for _ in range(3)]
    with reading(api, "/events", last) as stream:
        stream.wait(lambda came: len(came) == len(made) - len(got), "the rest")
        got += [event.data["id"] for event in stream.came]
    assert got == made


def test_a_reader_that_was_away_for_too_much_is_reset(api: httpx.Client, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    """The buffer of a filter is bounded, and so is a look."""
    monkeypatch.setattr(jobs_module, "MOST", 5)
    with reading(api, "/events") as stream, reading(api, "/events", queue="mail") as other:
        stream.wait_for("ready")
        other.wait_for("ready")
        sql.value("select enqueue_many('noop', (select jsonb_agg('{}'::jsonb) from generate_series(1, 20)))")
        stream.wait_for("reset")
        id = sql.enqueue()
        stream.wait_for("created", id=str(id))
        assert stream.names() == ["ready", "reset", "created"]
        assert other.names() == ["ready"]


def test_an_id_of_another_process_resets_the_reader(api: httpx.Client, sql: Sql) -> None:
    """It then hears what is new."""
    with reading(api, "/events", "0123456789ab-7") as stream:
        stream.wait_for("reset")
        id = sql.enqueue()
        stream.wait_for("created", id=str(id))


def test_a_workflow_is_followed_until_it_is_over(api: httpx.Client, sql: Sql) -> None:
    """Progress as counts; the same progress is not told twice."""
    workflow = sql.value("""select enqueue_workflow('[{"task": "noop"}, {"task": "noop"}]')""")
    id = int(re.findall(r"\d+", str(workflow))[0])
    with reading(api, f"/workflows/{id}/events") as stream:
        stream.wait_for("progress", nodes=2, open=2, status="running", is_over=False)
        mark = stream.came[-1].id
        token, jobs = sql.claim(sql.worker())
        sql.finish(token, {"id": jobs[0]["id"], "state": "succeeded"})
        stream.wait_for("progress", open=1, succeeded=1)
        with reading(api, f"/workflows/{id}/events", mark) as again:
            again.wait_for("progress", open=1)
        sql.finish(token, {"id": jobs[1]["id"], "state": "succeeded"})
        end = stream.wait_end()[-1]
    assert (end.data["status"], end.data["is_over"], end.data["id"]) == ("succeeded", True, str(id))
    assert api.get(f"/workflows/{id}/events", headers={"Last-Event-ID": end.id}).status_code == 204


def test_secrets_are_left_out_of_lines(api: httpx.Client, sql: Sql) -> None:
    """As everywhere."""
    id, token = sql.running()
    say(sql, id, token, "connect to postgresql://me:s3cr3t@host/db")
    with reading(api, f"/jobs/{id}/events") as stream:
        stream.wait_for("state", state="running")
        assert stream.has("log")
        assert "s3cr3t" not in str(stream.came)


def test_a_silent_stream_is_kept_open_by_pings(api: httpx.Client, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies close what is silent."""
    monkeypatch.setattr(streams, "PING_EVERY", 0.05)
    with reading(api, "/events") as stream:
        until(lambda: stream.comments > 2, "pings")


def _open(application: Any) -> int:
    number: int = application.state.pgqueue.streams.open
    return number


def test_a_client_that_goes_away_frees_its_stream_at_once(api: httpx.Client, application: Any, sql: Sql) -> None:
    """Long before the next ping fails."""
    id, _ = sql.running()
    for path in ("/events", f"/jobs/{id}/events"):
        with reading(api, path) as stream:
            stream.wait(bool, "an event")
            assert _open(application) == 1
        until(lambda: _open(application) == 0, "the stream is freed", 1)


def test_all_streams_end_within_a_second_when_the_process_is_to_end(api: httpx.Client, application: Any, sql: Sql) -> None:
    """They end as streams do, and not by a cut."""
    id, _ = sql.running()
    with reading(api, "/events") as stream, reading(api, f"/jobs/{id}/events") as other:
        stream.wait(bool, "an event")
        other.wait(bool, "an event")
        end_streams(application.state.pgqueue)
        until(lambda: stream.is_over and other.is_over, "the ends", 1)


INSIDE = """
import socket, sys
import uvicorn
from fastapi import FastAPI
from pgqueue import PgQueue
from pgqueue.api import create_app, router
outer = FastAPI()
app = PgQueue(sys.argv[1])
if sys.argv[2] == "mounted":
    outer.mount("/queue", create_app(app))
else:
    outer.include_router(router(app), prefix="/queue")
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(outer, log_level="warning")).run(sockets=[listening])
"""


@pytest.mark.parametrize("how", ["mounted", "included"])
def test_streams_inside_another_application_end_when_its_server_gets_a_signal(database_url: str, sql: Sql, how: str) -> None:
    """The server waits for them before it tells anybody that it ends."""
    command = [sys.executable, "-c", INSIDE, database_url, how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, httpx.Client(timeout=20) as client:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with reading(client, f"http://127.0.0.1:{port}/queue/api/v1/events") as stream:
            stream.wait_for("ready")
            id = sql.enqueue()
            stream.wait_for("created", id=str(id))
            process.send_signal(signal.SIGTERM)
            try:
                until(lambda: stream.is_over, "the end", 1)
                process.wait(10)
            finally:
                process.kill()


def test_too_many_streams_are_refused(api: httpx.Client, application: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And too many filters; one that nobody reads any more makes room."""
    monkeypatch.setattr(streams, "MOST_STREAMS", 2)
    monkeypatch.setattr(streams, "MOST_FILTERS", 1)
    with reading(api, "/events", queue="a") as stream:
        stream.wait_for("ready")
        assert api.get("/events", params={"queue": "b"}).json()["type"].endswith("too-many-streams")
        with reading(api, "/events", queue="a") as other:
            other.wait_for("ready")
            answer = api.get("/events", params={"queue": "a"})
            assert answer.status_code == 429
            assert "Retry-After" in answer.headers
    until(lambda: _open(application) == 0, "the streams are freed")
    with reading(api, "/events", queue="b") as stream:
        stream.wait_for("ready")


def test_readers_of_one_filter_share_its_looks(api: httpx.Client, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    """One query a tick, whatever the number of readers."""
    looks: list[str] = []
    original = jobs_module.JobsSource._changed

    async def counted(self: Any, seen: Any) -> Any:
        looks.append(self._filter)
        return await original(self, seen)

    monkeypatch.setattr(jobs_module.JobsSource, "_changed", counted)
    with reading(api, "/events") as first, reading(api, "/events") as second, reading(api, "/events") as third:
        for stream in (first, second, third):
            stream.wait_for("ready")
        id = sql.enqueue()
        for stream in (first, second, third):
            stream.wait_for("created", id=str(id))
    assert len(set(looks)) == 1
    assert len(looks) <= 6


def test_a_stream_survives_its_connections(api: httpx.Client, sql: Sql) -> None:
    """All backends of the API are ended; nothing is lost and nothing doubled."""
    id, token = sql.running()
    with reading(api, f"/jobs/{id}/events") as stream, reading(api, "/events") as all_jobs:
        stream.wait_for("state", state="running")
        all_jobs.wait_for("ready")
        sql.value(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where datname = current_database() and application_name like 'pgqueue%%' and pid <> pg_backend_pid()"
        )
        say(sql, id, token, "after")
        new = sql.enqueue()
        stream.wait_for("log", message="after")
        all_jobs.wait_for("created", id=str(new))
        assert stream.names() == ["state", "log"]
        assert all_jobs.names() == ["ready", "created"]


def test_two_hundred_streams_hold_one_connection_beside_the_pool(
    application: Any, base_url: str, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of them of jobs, half of one filter."""
    ids = [sql.enqueue() for _ in range(10)]
    limits = httpx.Limits(max_connections=300)
    with httpx.Client(base_url=f"{base_url}/api/v1", timeout=30, limits=limits) as api:
        opened = []
        for number in range(200):
            path = "/events" if number % 2 else f"/jobs/{ids[number % 10]}/events"
            opened.append(api.send(api.build_request("GET", path), stream=True))
        assert {one.status_code for one in opened} == {200}
        assert _open(application) == 200
        (counts,) = sql.rows(
            "select count(*) filter (where application_name = %s) as hub, count(*) filter (where application_name = 'pgqueue') "
            "as pool from pg_stat_activity where datname = current_database()",
            hearing.NAME,
        )
        assert counts["hub"] == 1
        assert counts["pool"] <= application.state.pgqueue.app.settings.api_pool_size
        for one in opened:
            one.close()


def test_the_document_describes_the_streams(base_url: str) -> None:
    """As text/event-stream, with an example."""
    document = httpx.get(f"{base_url}/openapi.json").json()
    for path in ("/jobs/{job_id}/events", "/events", "/workflows/{workflow_id}/events"):
        answers = document["paths"][f"/api/v1{path}"]["get"]["responses"]
        assert answers["200"]["content"].keys() == {"text/event-stream"}
        assert "204" in answers


@pytest.fixture
def _mail_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's key is for one queue."""

    async def enter(*_: Any) -> Caller:
        return Caller("mailer", "viewer", "127.0.0.1", queues=frozenset({"mail"}))

    monkeypatch.setattr(door, "enter", enter)


@pytest.mark.usefixtures("_mail_only")
def test_a_key_for_some_queues_hears_of_those_only(api: httpx.Client, sql: Sql) -> None:
    """A job of another queue does not exist for it."""
    other = sql.enqueue()
    assert api.get(f"/jobs/{other}/events").status_code == 404
    assert api.get("/events", params={"queue": "default"}).status_code == 403
    with reading(api, "/events") as stream:
        stream.wait_for("ready")
        sql.enqueue()
        mine = sql.enqueue(queue="mail")
        stream.wait_for("created", id=str(mine))
        assert stream.names() == ["ready", "created"]
