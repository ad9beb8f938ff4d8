"""FAULTS 59: settings of the database or the role change neither what calls do nor what people see."""

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from pgqueue import PgQueue
from pgqueue.migrate import migrate
from pgqueue.worker import Worker, WorkerOptions

EVIL = """
    create schema evil;
    create table evil.job (id int);
    create table evil.worker (id int);
    create type evil.job_state as enum ('evil');
    create function evil.job_state() returns int language sql as 'select 1';
    create domain evil.jsonb as int;
    create domain evil.uuid as int;
    create domain evil.timestamptz as int;
    create domain evil.bool as int;
    create domain evil.float8 as int;
"""
EVIL_FUNCTIONS = (
    "now() returns pg_catalog.timestamptz", "clock_timestamp() returns pg_catalog.timestamptz",
    "set_config(pg_catalog.text, pg_catalog.text, boolean) returns pg_catalog.text", "hashtext(pg_catalog.text) returns int",
    "pg_notify(pg_catalog.text, pg_catalog.text) returns void", "to_jsonb(anyelement) returns pg_catalog.jsonb",
    "current_setting(pg_catalog.text) returns pg_catalog.text", "length(pg_catalog.text) returns int",
    "pg_advisory_xact_lock(int, int) returns void", "current_schema() returns name",
    "to_char(timestamp, pg_catalog.text) returns pg_catalog.text",
    "pg_current_xact_id() returns pg_catalog.xid8", "jsonb_typeof(pg_catalog.jsonb) returns pg_catalog.text",
    "jsonb_array_length(pg_catalog.jsonb) returns int", "maintain() returns boolean",
)  # fmt: skip
SETTINGS: dict[str, dict[str, str]] = {
    "looks": {
        "DateStyle": "German", "IntervalStyle": "sql_standard", "bytea_output": "escape", "TimeZone": "Asia/Kathmandu",
        "client_encoding": "LATIN1", "extra_float_digits": "-15", "default_transaction_isolation": "serializable",
        "standard_conforming_strings": "off", "statement_timeout": "20s", "idle_in_transaction_session_timeout": "5s",
    },
    "more looks": {
        "DateStyle": "SQL, DMY", "IntervalStyle": "postgres_verbose", "TimeZone": "America/St_Johns", "client_encoding": "EUC_JP",
        "extra_float_digits": "0", "default_transaction_isolation": "repeatable read", "lock_timeout": "20s",
    },
    "read only": {
        "DateStyle": "Postgres, MDY", "IntervalStyle": "iso_8601", "default_transaction_read_only": "on",
        "default_transaction_isolation": "read uncommitted", "default_transaction_deferrable": "on", "TimeZone": "+13",
    },
    "names": {"search_path": "evil, pg_catalog, public", "DateStyle": "ISO, YMD"},
}  # fmt: skip
SEEN: list[Any] = []  # without settings


def _set(url: str, settings: dict[str, str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(EVIL)
        for function in EVIL_FUNCTIONS:
            body = "language plpgsql as $$begin raise 'the wrong function'; end$$"
            connection.execute(f"create function evil.{function} {body}".encode())
        connection.execute("create domain evil.text as int")
        database = sql.Identifier(str(conninfo_to_dict(url)["dbname"]))
        for name, value in settings.items():
            values = sql.SQL(value) if name == "search_path" else sql.Literal(value)
            connection.execute(sql.SQL("alter database {} set {} to {}").format(database, sql.Identifier(name), values))


@pytest.fixture
def expected(empty_database_url: str, used: Callable[[str], list[Any]]) -> list[Any]:
    """What is seen without settings."""
    if not SEEN:
        migrate(empty_database_url)
        SEEN[:] = used(empty_database_url)
    return SEEN


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_the_database_change_nothing(
    database_url: str, used: Callable[[str], list[Any]], expected: list[Any], name: str
) -> None:
    assert expected[6:9] == [1, {"text": "Ωμέγα", "third": 1 / 3}, [0.1, "Ω"]]
    _set(database_url, SETTINGS[name])
    assert used(database_url) == expected


@pytest.mark.parametrize("name", SETTINGS)
def test_an_install_works_under_settings_of_the_database(empty_database_url: str, name: str) -> None:
    _set(empty_database_url, SETTINGS[name])
    assert migrate(empty_database_url)
    assert not migrate(empty_database_url)
    app = PgQueue(empty_database_url)
    app.check()
    app.close()


def test_through_pgbouncer_settings_change_nothing_and_nothing_is_left_to_others(
    database_url: str, pooled: Callable[[int], str]
) -> None:
    _set(database_url, SETTINGS["read only"] | {"client_encoding": "LATIN1"})
    asked = "select name, setting from pg_settings where context = 'user' and name !~ '^plpgsql|application_name' order by 1"
    url = pooled(2)
    with psycopg.connect(url, autocommit=True) as other:
        before = other.execute(asked).fetchall()
    app = PgQueue(url, listen_url=database_url)

    @app.task
    async def text(n: int) -> str:
        return "Ωμέγα"

    job = text.enqueue(1)
    asyncio.run(_burst(app))
    assert job.result(5) == "Ωμέγα"
    app.close()
    with psycopg.connect(url, autocommit=True) as other:
        assert other.execute(asked).fetchall() == before


async def _burst(app: PgQueue) -> None:
    await Worker(app, WorkerOptions(burst=True, handle_signals=False)).run()
    await app.aclose()
