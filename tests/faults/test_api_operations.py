"""A1: an operation survives the server that has started it."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from tests.sql.conftest import Sql
from tests.waiting import until


@contextmanager
def serving(url: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "tests.faults.run_api", url, str(port)])
    try:
        base = f"http://127.0.0.1:{port}/api/v1"
        until(lambda: _answers(f"{base}/capabilities"), "the server answers")
        yield base, process
    finally:
        process.kill()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("jobs", [5_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_retry_of_many_dead_letters_survives_kill_9_of_the_server(
    app: PgQueue, connection: psycopg.Connection[Any], database_url: str, jobs: int
) -> None:
    """Each is retried once: whoever carries on acts on those that are left."""
    sql = Sql(connection)
    sql.connection.execute(
        "insert into dead_letter (id, queue, task, args, state, reason, priority, attempt, max_attempts, run_at, created_at, "
        "claimed_at, finished_at, rescues, error_type, fingerprint) "
        "select nextval('job_id_seq'), 'default', 'noop', '{}', 'failed', 'error', 0, 4, 4, clock_timestamp(), "
        "clock_timestamp(), clock_timestamp(), clock_timestamp() - interval '1 min', 0, 'E', '0' from generate_series(1, %s)",
        (jobs,),
    )
    with serving(database_url) as (base, process):
        started = httpx.post(f"{base}/operations", json={"kind": "retry", "all": True}, timeout=20)
        assert started.status_code == 202
        assert started.json()["finished_at"] is None
        process.kill()
        process.wait(10)
    half = sql.value("select count(*) from job")
    assert half < jobs
    with serving(database_url) as (base, _):  # another server shows it; a worker carries on
        app.operation(int(started.json()["id"])).result(timeout=300)
        found = httpx.get(f"{base}/operations/{started.json()['id']}", timeout=20).json()
    assert (found["state"], found["done"], found["did"], found["failed"]) == ("done", jobs, {"retried": jobs}, 0)
    assert sql.value("select count(*) from dead_letter") == 0
    assert sql.value("select count(*) from job where state = 'ready' and (control->>'retried')::int = 1") == jobs
