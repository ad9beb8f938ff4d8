"""pgqueue migrate; what it does to a database is in tests/test_migrate.py."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgqueue.migrate import migrate
from tests.roles.test_migrate_roles import drop_roles
from tests.test_alembic import CHECKOUT, psql

from .conftest import run_here


def test_it_says_whether_anything_was_done(capsys: pytest.CaptureFixture[str], empty_database_url: str) -> None:
    url = ("--database-url", empty_database_url)
    assert run_here(capsys, "migrate", *url)[:2] == (0, "schema pgqueue: migrated\n")
    assert run_here(capsys, "migrate", *url)[:2] == (0, "schema pgqueue: up to date\n")
    assert run_here(capsys, "migrate", *url, "--json").lines == [{"schema": "pgqueue", "changed": False}]


def test_every_command_works_in_another_schema(capsys: pytest.CaptureFixture[str], empty_database_url: str) -> None:
    where = ("--database-url", empty_database_url, "--schema", 'Büro "100%" {x}', "--json")
    assert run_here(capsys, "migrate", *where).lines[0]["changed"] is True
    (added,) = run_here(capsys, "enqueue", "send", *where).lines
    assert [job["id"] for job in run_here(capsys, "jobs", "--state", "ready", *where).lines] == [added["id"]]
    assert run_here(capsys, "job", str(added["id"]), *where).code == 0
    assert run_here(capsys, "cancel", str(added["id"]), *where).code == 0
    assert [run_here(capsys, name, *where).code for name in ("stats", "workers", "dead")] == [0, 0, 0]


@pytest.mark.parametrize(("schema", "roles"), [('quo"te 100%', False), ("pgqueue", True)])
def test_the_sql_that_it_prints_is_applied_by_psql(
    dropped_roles: str, empty_database_url: str, tmp_path: Path, schema: str, roles: bool
) -> None:
    """With no setting of a database; in a process of its own, because what is printed is UTF-8 whatever the terminal has."""
    schema = dropped_roles if roles else schema
    words = ["migrate", "--sql", "--schema", schema, *(["--roles"] if roles else [])]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PGQUEUE_")}
    environment |= {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", "pgqueue", *words]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, cwd=tmp_path)
    assert done.stderr == b""
    (tmp_path / "upgrade.sql").write_bytes(done.stdout)
    psql(empty_database_url, tmp_path / "upgrade.sql")
    assert not migrate(empty_database_url, schema)
    with psycopg.connect(empty_database_url) as connection:
        made = connection.execute("select count(*) from pg_roles where starts_with(rolname, %s || '_')", [schema]).fetchone()
    assert made == (6 if roles else 0,)


@pytest.fixture
def dropped_roles(server_url: str) -> Iterator[str]:
    """The name of a schema whose roles are gone afterwards."""
    schema = f"t{uuid.uuid4().hex[:8]}"
    yield schema
    drop_roles(server_url, schema)


def test_since_goes_with_sql_and_names_a_version_that_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (("--since", "0001", "--database-url", "postgresql://127.0.0.1:1/db"), "since: it goes with --sql"),
        (("--sql", "--since", "0999"), "version '0999' is of a newer pgqueue"),
        (("--sql", "--schema", "pg_jobs"), "'pg_jobs'"),
    ):
        code, out, err = run_here(capsys, "migrate", *words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert said in err
