"""URLs as people have them: of SQLAlchemy and its drivers, with the parameters of asyncpg, and what is refused."""

import asyncio
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr
from sqlalchemy import URL

from pgqueue import PgQueue, Task
from pgqueue.config import connection_url, load_settings
from pgqueue.database.connection import open_connection
from pgqueue.database.url import DatabaseUrl, plain_url, read_url, setting_of
from pgqueue.errors import ConfigurationError
from pgqueue.migrate import migrate
from tests.cli.conftest import run_here

ADA = {"user": "ada", "password": "pw", "host": "db", "port": "5433", "dbname": "jobs"}


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "psycopg_async", "psycopg2", "psycopg2cffi", "pg8000"])
@pytest.mark.parametrize("setting", ["database_url", "listen_url", "read_url"])
def test_a_url_of_sqlalchemy_is_taken_as_any_setting(driver: str, setting: str) -> None:
    settings = load_settings(**{setting: f"postgresql+{driver}://ada:pw@db:5433/jobs"})
    assert getattr(settings, setting) == SecretStr("postgresql://ada:pw@db:5433/jobs")


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("", {}),
        ("?ssl=require", {"sslmode": "require"}),
        ("?sslmode=verify-full&application_name=shop", {"sslmode": "verify-full", "application_name": "shop"}),
        ("?timeout=7.5", {"connect_timeout": "7"}),
        ("?timeout=0.5", {"connect_timeout": "1"}),
        ("?statement_cache_size=0&prepared_statement_cache_size=0&prepared_statement_name_func=x&command_timeout=9", {}),
        ("?options=-c%20work_mem%3D8MB", {"options": "-c work_mem=8MB"}),
        ("?options=-c+work_mem%3D8MB", {"options": "-c work_mem=8MB"}),  # a form's way to write a space
        ("?host=a:1&host=b:2", {"host": "a,b", "port": "1,2"}),
        ("?host=a&host=b", {"host": "a,b"}),
        ("?host=a,b&port=1,2", {"host": "a,b", "port": "1,2"}),
        ("?host=[::1]:6000&host=[::2]:6001", {"host": "::1,::2", "port": "6000,6001"}),
        ("?host=/var/run/postgresql", {"host": "/var/run/postgresql"}),
    ],
)
def test_parameters_of_drivers_are_translated(query: str, meant: dict[str, str]) -> None:
    assert read_url(f"postgresql+asyncpg://ada:pw@db:5433/jobs{query}") == ADA | meant


def test_what_sqlalchemy_writes_is_read_back() -> None:
    password = "a b+c%d/e@f:g?h&i"
    for query in ({}, {"host": ("a:1", "b:2")}):
        url = URL.create("postgresql+psycopg", "ada", password, "db", 5433, "jobs", query=query)
        assert read_url(url.render_as_string(hide_password=False))["password"] == password


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+oracle://ada:pw@db/jobs", r"its driver is unknown; use postgresql:// or postgresql\+ one of asyncpg, "),
        ("postgresql+asyncpg://ada:pw@db/jobs?ssl=true", "ssl: .* use sslmode= with one of disable, allow, prefer, require, "),
        ("postgresql://ada:pw@db/jobs?ssl=require", "'ssl' is no parameter of PostgreSQL; use sslmode=require"),
        ("postgresql://ada:pw@db/jobs?schema=a&pgbouncer=true", "'schema' is no parameter of PostgreSQL; remove it"),
        ("postgresql+psycopg://ada:***@db/jobs", r"use engine.url.render_as_string\(hide_password=False\)"),
        ("postgresql://ada:p@@w@db/jobs", "its host has an @; write an @ of a password as %40"),
        ("postgresql://ada:p@h,@@w@db/jobs", "its host has an @"),
        ("postgresql://db/jobs?connect_timeout=5pw", "connect_timeout: its value is not valid; give seconds"),
        ("postgresql://db/jobs?connect_timeout=1e400", "connect_timeout: its value is not valid; give seconds"),
        ("postgresql+asyncpg://db/jobs?timeout=5pw", "connect_timeout: its value is not valid; give seconds"),
        (f"postgresql+asyncpg://db/jobs?timeout={'9' * 400}", "connect_timeout: its value is not valid; give seconds"),
        ("postgresql+psycopg://ada:pw@db/jobs?pw=pw", "is not valid; use postgresql://"),
    ],
)
def test_what_cannot_be_translated_is_refused_with_the_remedy(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        PgQueue(url)
    assert "pw" not in str(refused.value)
    assert "@w" not in str(refused.value)


def test_a_url_knows_the_setting_that_it_comes_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.pgqueue]\nlisten_url = "postgresql://host/db"\n')
    monkeypatch.setenv("PGQUEUE_READ_URL", "postgresql+asyncpg://host/db")
    settings = load_settings(database_url="postgresql+psycopg://host/db")
    for url, setting in (
        (connection_url(settings), "database_url"),
        (settings.listen_url and settings.listen_url.get_secret_value(), "listen_url in pyproject.toml"),
        (settings.read_url and settings.read_url.get_secret_value(), "PGQUEUE_READ_URL"),
    ):
        assert (url, setting_of(url or "")) == ("postgresql://host/db", setting)
    again = load_settings(**settings.model_dump() | {"lease": 9})  # as a worker makes its own of the app's
    assert again.read_url is not None
    assert setting_of(again.read_url.get_secret_value()) == "PGQUEUE_READ_URL"


@pytest.fixture
def of_sqlalchemy(database_url: str) -> str:
    """The test's database, as SQLAlchemy would be given it."""
    given = conninfo_to_dict(database_url)
    query = {"host": str(given["host"])}
    return URL.create("postgresql+asyncpg", given.get("user"), database=given["dbname"], query=query).render_as_string()  # type: ignore[arg-type]


def test_every_way_in_takes_a_url_of_sqlalchemy(
    of_sqlalchemy: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", of_sqlalchemy)
    app = PgQueue(listen_url=of_sqlalchemy)
    task: Task[[int], int] = app.task(_twice)
    job = task.enqueue(1)
    assert asyncio.run(_enqueue(app, task)) == job.id + 1
    app.close()
    assert not migrate(of_sqlalchemy)
    open_connection(of_sqlalchemy, "test").close()
    for command in (("stats",), ("queues",), ("migrate",), ("jobs", "--database-url", of_sqlalchemy)):
        assert run_here(capsys, *command).code == 0, command


async def _enqueue(app: PgQueue, task: Task[[int], int]) -> int:
    try:
        return (await task.aenqueue(1)).id
    finally:
        await app.aclose()


def _twice(n: int) -> int:
    return 2 * n


def test_a_url_without_a_driver_stays_as_it_is() -> None:
    for url in ("postgresql://ada@host/db", "postgres://host/db", "host=localhost dbname=jobs", "service=jobs"):
        assert plain_url(url) is url
        assert plain_url(DatabaseUrl(url, "X")).setting == "X"  # type: ignore[attr-defined]
