"""Health: for probes and for people."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.api import create_app
from tests.api.serving import served


@pytest.fixture
def root(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=20) as client:
        yield client


def test_a_process_is_live_without_a_database() -> None:
    app = PgQueue("postgresql://nobody@127.0.0.1:1/none")
    with served(create_app(app)) as url, httpx.Client(base_url=url, timeout=20) as client:
        assert client.get("/health/live").json() == {"status": "pass"}
        ready = client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.headers["content-type"] == "application/problem+json"
        assert ready.headers["retry-after"] == "1"
        report = client.get("/health")
        assert report.status_code == 503
        assert report.headers["content-type"] == "application/health+json"
        assert report.json()["status"] == "fail"
        for answer in (ready, report):
            assert "127.0.0.1" not in answer.text
            assert "nobody" not in answer.text


def test_it_is_ready_and_says_how_many_workers_live(root: httpx.Client) -> None:
    ready = root.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["workers"] == 0
    report = root.get("/health")
    assert report.status_code == 200
    assert report.json()["status"] == "warn"
    assert report.json()["checks"]["database:responseTime"][0]["status"] == "pass"


def test_a_schema_of_another_version_is_not_ready(connection: psycopg.Connection[Any], root: httpx.Client) -> None:
    connection.execute("create or replace function installed_version() returns text language sql immutable as $$ select '9' $$")
    ready = root.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["type"].endswith("not-migrated")


def test_an_empty_database_is_not_ready(empty_database_url: str) -> None:
    with served(create_app(PgQueue(empty_database_url))) as url:
        assert httpx.get(f"{url}/health/ready").json()["type"].endswith("not-migrated")


def test_a_thousand_probes_ask_the_database_once_a_second(
    root: httpx.Client, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    connection = connect()
    connection.execute("create sequence asked")
    connection.execute(
        "create or replace function installed_version() returns text language sql volatile security definer "
        "set search_path from current as $$ select nextval('asked')::text $$"
    )
    for _ in range(200):
        root.get("/health/ready")
    [(asked,)] = connection.execute("select last_value from asked").fetchall()
    assert asked <= 10, "200 probes take less than some seconds"
