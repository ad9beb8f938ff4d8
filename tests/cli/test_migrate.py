"""pgqueue migrate; what it does to a database is in tests/test_migrate.py."""

import pytest

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
