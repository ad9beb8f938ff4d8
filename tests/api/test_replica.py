"""Reads on a streaming replica: what may be late comes from it, what must be current does not, and without it all goes on."""

import asyncio
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from pgqueue import PgQueue
from pgqueue.api import create_app
from pgqueue.api.endpoint import Endpoint, route_of
from pgqueue.api.routes import ALL
from pgqueue.api.service import Service
from pgqueue.dashboard.build import create_server_app
from pgqueue.database.call import Call, one_value
from pgqueue.database.calls.replica import position
from pgqueue.errors import ConfigurationError
from pgqueue.migrate import migrate
from tests.api.serving import served
from tests.conftest import NEWEST_POSTGRES, TEST_LEASE
from tests.looking import Look
from tests.replica import Replica, replica_of
from tests.waiting import until

LATE = [endpoint for endpoint in ALL if endpoint.may_lag]
pytestmark = pytest.mark.one_postgres
JOBS = "/api/v1/jobs"


@pytest.fixture(scope="module")
def replica(server_url: str) -> Iterator[Replica]:
    if "PGQUEUE_TEST_DATABASE_URL" in os.environ:
        pytest.skip("the server of the tests is somebody else's: no replica of it is made")
    with replica_of(server_url, NEWEST_POSTGRES) as made:
        yield made


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.api.health.replica.EVERY", 0.1)


@pytest.fixture
def standby(replica: Replica, database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A session on the replica, which has the test's database by then."""

    def connected() -> psycopg.Connection[Any] | None:
        try:
            return psycopg.connect(replica.url_of(database_url), autocommit=True, options="-c search_path=pgqueue")
        except psycopg.OperationalError:  # the database has not arrived yet
            return None

    connection = until(connected, "the replica has the database")
    assert connection is not None
    yield connection
    connection.close()
    with psycopg.connect(replica.url_of(database_url)) as last:
        last.execute("select pg_wal_replay_resume()")


@pytest.fixture
def server(database_url: str, replica: Replica, standby: psycopg.Connection[Any]) -> FastAPI:
    app = PgQueue(database_url, lease=TEST_LEASE, read_url=replica.url_of(database_url))

    @app.task
    def work(n: int = 0) -> None: ...

    return create_server_app(app)


@pytest.fixture
def client(server: FastAPI) -> Iterator[httpx.Client]:
    with served(server) as url, httpx.Client(base_url=url, timeout=20, verify=False) as made:
        yield made


@pytest.fixture
def on_replica(server: FastAPI, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that the replica has answered."""
    service: Service = server.state.pgqueue
    assert service.replica is not None
    run, seen = service.replica.run, list[str]()

    async def noted(call: Any) -> Any:
        answer = await run(call)
        seen.append(call.statement)
        return answer

    monkeypatch.setattr(service.replica, "run", noted)
    return seen


def lag_of(client: httpx.Client) -> float | None:
    """What /health says of the replica."""
    (check,) = client.get("/health").json()["checks"]["replica:lag"]
    assert check["status"] == ("warn" if check.get("observedValue") is None else "pass")
    found: float | None = check.get("observedValue")
    return found


def in_use(client: httpx.Client) -> None:
    until(lambda: lag_of(client) is not None, "the replica is asked")


def jobs_in(client: httpx.Client) -> int:
    return len(client.get(JOBS).json()["items"])


def path_of(endpoint: Endpoint) -> str:
    query = "?by=queue" if endpoint.path == "/dead-letters/stats" else ""
    return route_of(endpoint).replace("{name}", "work") + query


def test_a_replica_tells_how_far_it_is(standby: psycopg.Connection[Any], database_url: str) -> None:
    app = PgQueue(database_url)
    primary = app.database.run(position())
    assert primary.written is not None
    written = primary.written
    until(lambda: (app.database.run(position(), standby).written or 0) >= written, "it has arrived")
    assert app.database.run(position(), standby).install == primary.install
    app.close()


def test_a_migration_says_that_the_server_is_a_standby(
    standby: psycopg.Connection[Any], replica: Replica, database_url: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"server: it is a standby, .* target_session_attrs=read-write"):
        migrate(replica.url_of(database_url))


def test_what_may_be_late_is_answered_by_the_replica_without_a_write(client: httpx.Client, on_replica: list[str]) -> None:
    """Each of these endpoints: a standby refuses whatever writes or locks a row."""
    in_use(client)
    for endpoint in LATE:
        before = len(on_replica)
        answer = client.get(path_of(endpoint))
        assert answer.status_code in (200, 404), (endpoint.path, answer.text)
        assert len(on_replica) > before or answer.status_code == 404, endpoint.path


def test_only_what_is_read_may_be_late() -> None:
    assert LATE
    assert {endpoint.method for endpoint in LATE} == {"GET"}
    current = {"/health", "/health/ready", "/keys", "/workers", "/troubles", "/jobs/{job_id}", "/jobs/{job_id}/result", "/pauses"}
    assert current <= {endpoint.path for endpoint in ALL if not endpoint.may_lag}


def test_who_has_written_reads_it_at_once_and_others_later(
    client: httpx.Client, standby: psycopg.Connection[Any], look: Look
) -> None:
    in_use(client)
    standby.execute("select pg_wal_replay_pause()")
    until(lambda: standby.execute("select pg_get_wal_replay_pause_state()").fetchone() == ("paused",), "nothing arrives")
    look.value("select enqueue('work')")  # somebody else, of whom this process does not know
    assert jobs_in(client) == 0
    assert client.post(JOBS, json={"task": "work"}).status_code == 201
    assert jobs_in(client) == 2
    standby.execute("select pg_wal_replay_resume()")
    until(lambda: (lag_of(client) or 9) < 1, "the replica has caught up")
    assert jobs_in(client) == 2


def test_a_replica_that_is_away_costs_no_answer_and_comes_back(
    client: httpx.Client, replica: Replica, on_replica: list[str], standby: psycopg.Connection[Any]
) -> None:
    in_use(client)
    replica.stop()
    try:
        began = time.monotonic()
        assert client.post(JOBS, json={"task": "work"}).status_code == 201
        assert jobs_in(client) == 1
        assert [client.get(path_of(endpoint)).status_code for endpoint in LATE].count(200) >= len(LATE) - 2
        assert time.monotonic() - began < 5
        until(lambda: lag_of(client) is None, "it is known to be away")
        assert client.get("/health").json()["status"] == "warn"
        assert client.get("/health/ready").status_code == 200
        before = len(on_replica)
        assert jobs_in(client) == 1
        assert len(on_replica) == before
    finally:
        replica.start()
    in_use(client)
    until(lambda: jobs_in(client) == 1 and len(on_replica) > before, "it answers again")


def test_a_replica_that_is_too_late_is_not_asked(
    client: httpx.Client, standby: psycopg.Connection[Any], look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgqueue.api.health.replica.MOST_LAG", 1.5)
    in_use(client)
    standby.execute("select pg_wal_replay_pause()")
    look.value("select enqueue('work')")
    until(lambda: jobs_in(client) == 1, "the primary answers")
    assert lag_of(client) is None


async def read_late(service: Service, call: Call[Any]) -> Any:
    """What a call answers once the replica is asked, on an event loop of its own."""
    assert service.replica is not None
    while not service.replica.serves(None):  # noqa: ASYNC110  # nobody is told when a look has ended
        await asyncio.sleep(0.01)
    try:
        return await service.read(call)
    finally:
        await service.stop()


def test_what_would_write_is_answered_by_the_primary(server: FastAPI, look: Look) -> None:
    """A function that a later version lets write costs a round trip, and no answer."""
    would_write: Call[int] = Call("select {schema}.enqueue('work')", (), one_value)
    assert look.state(asyncio.run(read_late(server.state.pgqueue, would_write))) == "ready"


def test_a_call_that_is_cut_off_on_the_replica_is_answered_by_the_primary(
    server: FastAPI, standby: psycopg.Connection[Any]
) -> None:
    slow: Call[str] = Call(
        "select case when pg_is_in_recovery() then (select pg_sleep(20))::text else 'the primary' end", (), one_value
    )
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where query like '%%pg_sleep(20)%%' and pid <> pg_backend_pid()"
    with ThreadPoolExecutor(1) as others:
        answer = others.submit(asyncio.run, read_late(server.state.pgqueue, slow))
        until(lambda: standby.execute(cut).fetchall(), "the call runs on the replica")
        assert answer.result(10) == "the primary"


def test_a_url_of_another_install_is_not_asked(database_url: str, empty_database_url: str) -> None:
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as other:
        other.execute("update pgqueue.setting set created_at = created_at - interval '1 hour'")
    app = PgQueue(database_url, read_url=empty_database_url)
    api = create_app(app)
    with served(api) as url, httpx.Client(base_url=url, timeout=20) as client:
        assert lag_of(client) is None
        until(lambda: api.state.pgqueue.replica._is_complained_of, "it was looked at")
        assert client.post(JOBS, json={"task": "work"}).status_code == 201
        assert jobs_in(client) == 1
        assert lag_of(client) is None
    app.close()


def test_the_dashboard_says_that_it_shows_a_replica(client: httpx.Client) -> None:
    in_use(client)
    assert "Replica, " in client.get("/jobs").text


def test_without_a_replica_nothing_is_said(app: PgQueue) -> None:
    with served(create_app(app)) as url, httpx.Client(base_url=url, timeout=20) as client:
        assert "replica:lag" not in client.get("/health").json()["checks"]
