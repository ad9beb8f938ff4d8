"""Locks: what a login with CONNECT alone can hold stops nobody.

Advisory locks have no privileges: whoever is connected may take any, and keep it as long as the connection lives.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import pgqueue
from pgqueue.migrate import migrate, own

from .conftest import Install

# What once was locked, by number: two numbers of texts, or one.
PAIRS = [
    *(f"hashtext('pgqueue {what}'), hashtext('{{schema}}')" for what in ("maintain", "queues", "depths", "migrate")),
    "hashtext('pgqueue limit'), hashtext('{schema}attacked')",
    "hashtext('pgqueue schedule'), hashtext('{schema}attacked')",
    "hashtextextended('{schema} bucket attacked', 0)",
    "hashtextextended('pgqueue request {schema} owner attacked', 0)",
]
CLAIM = "select count(id) from claim(%s, gen_random_uuid(), '{attacked}', 10)"


@pytest.fixture
def owner(install: Install) -> Iterator[psycopg.Connection[Any]]:
    """The owner, who waits for no lock longer than a moment, while a stranger has every advisory lock there was."""
    with install.as_login("stranger") as stranger, install.as_login(None) as owner:
        for pair in PAIRS:
            stranger.execute(f"select pg_advisory_lock({pair.format(schema=install.schema)})".encode())
        owner.execute("set lock_timeout = '2s'")
        yield owner


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("select maintain()", True),
        ("select done from run_maintain(false)", True),
        ("""select declare_limit('attacked', '{"max_running": 1}')""", True),
        ("""select declare_schedule('attacked', '{"every": 60, "job": {"task": "noop"}}')""", ["every", "job.task"]),
        ("""select set_schedule('attacked', '{"every": 60, "job": {"task": "noop"}}')""", "added"),
        ("""select said from enqueue_once('owner', 'attacked', 'd', '[{"task": "noop"}]')""", "enqueued"),
    ],
    ids=["maintain", "maintain_if_due", "declare_limit", "declare_schedule", "set_schedule", "enqueue_once"],
)
def test_advisory_locks_of_a_stranger_stop_nothing(owner: psycopg.Connection[Any], statement: str, expected: Any) -> None:
    with owner.transaction(force_rollback=True):
        assert owner.execute(statement.encode()).fetchone() == (expected,)


def test_advisory_locks_of_a_stranger_stop_no_bound_of_a_queue(owner: psycopg.Connection[Any]) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("""select set_queue('attacked', '{"max_ready": 10}')""")
        owner.execute("select sweep_queues()")
        assert owner.execute("select ready from queue_depth where queue = 'attacked'").fetchone() == (0,)


def test_advisory_locks_of_a_stranger_stop_no_counting(owner: psycopg.Connection[Any]) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("create or replace function is_large() returns bool language sql as 'select true'")
        owner.execute("select sweep_depths()")
        assert owner.execute("select count(*) from depth_sample").fetchone() == (2,)


def test_advisory_locks_of_a_stranger_stop_no_job_with_a_limit(owner: psycopg.Connection[Any]) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("select set_limit('attacked', max_running => 5)")
        owner.execute("select enqueue('noop', queue => 'attacked', limits => '{attacked}')")
        worker = "00000000-0000-0000-0000-000000000001"
        owner.execute("select register_worker(%s, 'w', 'h', 1, '0', '{attacked}', 10, '30 s')", (worker,))
        assert owner.execute(CLAIM, (worker,)).fetchone() == (1,)


def test_advisory_locks_of_a_stranger_stop_no_migration(
    owner: psycopg.Connection[Any], install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "STATEMENT_WITHIN", 5.0)
    assert migrate(install.url, install.schema) is False


def test_nothing_of_ours_takes_an_advisory_lock(install: Install) -> None:
    rows = install.rows(
        "select proname from pg_proc where pronamespace = %s::regnamespace and prosrc ~* 'advisory'", install.schema
    )
    assert rows == []
    package = Path(pgqueue.__file__).parent
    assert [
        file.name for file in package.rglob("*.py") if re.search(r"pg_(try_)?advisory", file.read_text(encoding="utf-8"))
    ] == []


@pytest.mark.parametrize(
    "statement",
    [
        "lock table {}.lock in access share mode",
        "lock table {}.job in access share mode",
        "select from {}.lock for update",
        "comment on schema {} is 'mine'",
        "drop schema {} cascade",
        "alter schema {} rename to mine",
        "grant usage on schema {} to public",
    ],
)
def test_a_stranger_takes_none_of_our_locks_for_longer_than_its_refusal(install: Install, statement: str) -> None:
    with install.as_login("stranger") as stranger, stranger.transaction(force_rollback=True):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), stranger.transaction():
            stranger.execute(statement.format(install.schema).encode())
        assert migrate(install.url, install.schema) is False
        with install.as_login(None) as owner:
            assert owner.execute("select maintain()").fetchone() == (True,)
