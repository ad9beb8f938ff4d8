"""The command `alembic` at the top of the checkout does what `pgqueue migrate` does, step by step or as SQL."""

import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from pgqueue.migrate import migrate
from tests.test_migrate import app_on, catalog

CHECKOUT = Path(__file__).parents[1]
Alembic = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def alembic(empty_database_url: str) -> Alembic:
    """Run the command; `schema` and `url` are settings."""

    def run(*command: str, schema: str | None = None, url: str | None = empty_database_url) -> "subprocess.CompletedProcess[str]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PGQUEUE_")}
        given = {"PGQUEUE_DATABASE_URL": url, "PGQUEUE_SCHEMA": schema}
        environment.update({name: value for name, value in given.items() if value is not None})
        arguments = [sys.executable, "-m", "alembic", *command]
        return subprocess.run(arguments, cwd=CHECKOUT, env=environment, text=True, capture_output=True, check=False)

    return run


def test_upgrade_head_installs_what_migrate_installs(alembic: Alembic, empty_database_url: str) -> None:
    done = alembic("upgrade", "head")
    assert done.returncode == 0, done.stderr
    assert_migrate_makes_the_same(empty_database_url, "pgqueue")


def test_upgrade_head_goes_where_the_setting_of_the_schema_says(alembic: Alembic, empty_database_url: str) -> None:
    done = alembic("upgrade", "head", schema='quo"te 100%')
    assert done.returncode == 0, done.stderr
    with app_on(empty_database_url, 'quo"te 100%') as app:
        assert app.tasks["send"].enqueue(to=1).status == "ready"
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select 1 from pg_namespace where nspname = 'pgqueue'").fetchone() is None


def test_current_tells_the_version_and_makes_nothing(alembic: Alembic, empty_database_url: str) -> None:
    assert alembic("current").stdout == ""
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select 1 from pg_namespace where nspname = 'pgqueue'").fetchone() is None
    migrate(empty_database_url)
    assert alembic("current").stdout == "0001 (head)\n"


def test_history_needs_no_database(alembic: Alembic) -> None:
    done = alembic("history", url=None)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<base> -> 0001 (head), Everything")


@pytest.mark.parametrize("schema", ["pgqueue", 'quo"te 100%', "o'clock", "büro-日本"])
def test_the_sql_of_an_upgrade_is_applied_by_psql(alembic: Alembic, empty_database_url: str, schema: str, tmp_path: Path) -> None:
    written = alembic("upgrade", "head", "--sql", url=None, schema=schema)
    assert written.returncode == 0, written.stderr
    (tmp_path / "upgrade.sql").write_text(written.stdout, encoding="utf-8")

    psql(empty_database_url, tmp_path / "upgrade.sql")

    assert_migrate_makes_the_same(empty_database_url, schema)
    with app_on(empty_database_url, schema) as app:
        assert app.tasks["send"].enqueue(to=1).status == "ready"


def test_without_a_database_url_alembic_says_which_setting_is_missing(alembic: Alembic) -> None:
    done = alembic("upgrade", "head", url=None)
    assert done.returncode != 0
    assert "PGQUEUE_DATABASE_URL=postgresql://" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_alembic_says_in_one_line_that_the_server_cannot_be_reached(alembic: Alembic) -> None:
    done = alembic("upgrade", "head", url="postgresql://ada:hunter2@127.0.0.1:1/db")
    assert done.returncode != 0
    told = (done.stdout + done.stderr).splitlines()
    assert [line for line in told if not line.startswith("INFO")] == [line for line in told if "Connection refused" in line]
    assert "hunter2" not in str(told)


def test_what_a_server_says_is_shown_by_alembic_and_not_obeyed(alembic: Alembic) -> None:
    fields = b"SFATAL\0VFATAL\0C28000\0M\x1b[2Jcleared\nforged\0\0"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)

        answering = threading.Thread(target=answer)
        answering.start()
        done = alembic(
            "current", url=f"postgresql://ada@127.0.0.1:{server.getsockname()[1]}/db?sslmode=disable&gssencmode=disable"
        )
        answering.join()
    assert "(PGQUEUE_DATABASE_URL): \\x1b[2Jcleared;" in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def assert_migrate_makes_the_same(url: str, schema: str) -> None:
    """Migrate finds nothing left to do, and makes the same when it starts anew."""
    assert not migrate(url, schema)
    made = catalog(url, schema), partitions(url, schema)
    with psycopg.connect(url) as connection:
        connection.execute(SQL("drop schema {} cascade").format(Identifier(schema)))
    migrate(url, schema)
    assert made == (catalog(url, schema), partitions(url, schema))


def partitions(url: str, schema: str) -> list[str]:
    query = "select relname from pg_class where relnamespace = quote_ident(%s)::regnamespace and relispartition order by relname"
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute(query, [schema])]


def psql(url: str, file: Path) -> None:
    command = shutil.which("psql")
    assert command, "psql is not installed (Debian: apt install postgresql-client)"
    options = ["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(file)]
    environment = {**os.environ, "PGCLIENTENCODING": "LATIN1"}
    subprocess.run([command, url, *options], check=True, env=environment, stdout=subprocess.DEVNULL)
