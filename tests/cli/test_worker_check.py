"""pgqueue worker --check: what is wrong before a worker starts, and an exit code by its severity."""

import json
import re
import sys
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from pgqueue import Limit, PgQueue, Schedule
from pgqueue.database.calls.doctor import Room
from pgqueue.doctor.connections import Needed, needed, of_room
from pgqueue.doctor.preflight import preflight
from pgqueue.worker.machine import Machine

from .conftest import Ran, Run, run_here

URL = "postgresql://ada:secret@localhost:1/none"
APP = "tests.cli.jobs:app"


@pytest.fixture(autouse=True)
def _new_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app is imported anew: it keeps the settings with which it was loaded."""
    monkeypatch.delitem(sys.modules, "tests.cli.jobs", raising=False)


def compute() -> None:
    """A handler that a process can import."""


def names(ran: Ran) -> list[str]:
    """The kinds of findings that were printed, the worst first."""
    return re.findall(r"^(?:ERROR|WARNING|NOTE)  (\S+)$", ran.out, re.MULTILINE)


def found(app: PgQueue, *queues: str, processes: int = 1, offline: bool = False) -> dict[str, str]:
    """The severity of each kind of finding."""
    examination = preflight(app, queues, 100, processes, offline=offline)
    return {one.name: one.severity for one in examination.findings}


def test_a_sound_app_and_database_pass(run: Run) -> None:
    ran = run("worker", APP, "--check")
    assert (ran.code, names(ran), ran.err) == (0, [], "")
    assert ran.out.endswith("checks, all well\n")


def test_programs_get_an_object_of_each_install(run: Run) -> None:
    ran = run("worker", APP, "--check", "--json", "--queues", "default,mail,more")
    said = json.loads(ran.out)
    assert (ran.code, said["exit_code"], [one["name"] for one in said["findings"]]) == (1, 1, ["queue-without-tasks"])
    assert set(said["findings"][0]) >= {"severity", "problem", "consequence", "remedy"}
    several = run("worker", APP, "--check", "--json", "--schemas", "pgq*,elsewhere", "--queues", "default,mail")
    objects = [json.loads(line) for line in several.out.splitlines()]
    assert several.code == 2
    assert [(one["schema"], one["exit_code"]) for one in objects] == [("pgqueue", 0), ("elsewhere", 2)]


def test_without_check_there_is_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_here(capsys, "worker", APP, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("pgqueue: json: a worker that runs prints no JSON; add --check")


def test_nothing_is_started(run: Run, connection: psycopg.Connection[Any]) -> None:
    run("worker", APP, "--check", "--processes", "2", "--burst")
    assert connection.execute("select count(*) from worker").fetchone() == (0,)


def test_offline_asks_no_database(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGQUEUE_DATABASE_URL", raising=False)
    for url in ([], ["--database-url", URL]):
        ran = run_here(capsys, "worker", APP, "--check", "--offline", *url)
        assert (ran.code, ran.out) == (0, "3 checks, all well\n")


def test_without_a_database_the_app_is_checked_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGQUEUE_DATABASE_URL", raising=False)
    ran = run_here(capsys, "worker", APP, "--check", "--queues", "mial,default")
    assert (ran.code, names(ran)) == (2, ["no-database-url", "queue-without-tasks", "queue-left-to-others"])
    ran = run_here(capsys, "worker", APP, "--check", "--queues", "mial,default", "--database-url", URL)
    assert (ran.code, names(ran)) == (2, ["no-connection", "queue-without-tasks", "queue-left-to-others"])
    assert "secret" not in ran.out


def test_an_app_that_cannot_be_imported_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_here(capsys, "worker", "tests.cli.nowhere:app", "--check")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)


def test_a_database_without_pgqueue_is_an_error(capsys: pytest.CaptureFixture[str], empty_database_url: str) -> None:
    ran = run_here(capsys, "worker", APP, "--check", "--database-url", empty_database_url)
    assert (ran.code, names(ran)) == (2, ["not-migrated"])


def test_warnings_and_notes_have_their_exit_codes(run: Run) -> None:
    noted = run("worker", APP, "--check", "--queues", "default")
    assert (noted.code, names(noted)) == (0, ["queue-left-to-others"])
    warned = run("worker", APP, "--check", "--queues", "default,mail,more")
    assert (warned.code, names(warned)) == (1, ["queue-without-tasks"])


def test_a_schedule_that_is_over_is_told(app: PgQueue) -> None:
    @app.task
    def report() -> None: ...

    app.schedules.declare(Schedule("over", report, every=60, ends_at=datetime(2020, 1, 1, tzinfo=UTC)))
    app.schedules.declare(Schedule("under-way", report, every=60))
    assert found(app, offline=True) == {"schedule-never-due": "warning"}


def test_a_misspelled_setting_is_told(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_LEESE", "5")
    assert found(app, offline=True) == {"wrong-configuration": "error"}


def test_a_limit_that_nobody_has_declared_or_set_is_told(app: PgQueue) -> None:
    @app.task(limits=["openai"])
    async def ask() -> None: ...

    assert found(app) == {"unknown-limit": "error"}
    app.limits.set("openai", rate="60/m")
    assert found(app) == {}


def test_a_declared_limit_is_known_before_the_first_worker(database_url: str) -> None:
    app = PgQueue(database_url, limits=[Limit("openai", rate="60/m")])

    @app.task(limits=["openai"])
    async def ask() -> None: ...

    assert found(app) == {}
    app.close()


def test_a_role_that_may_only_look_is_told(app: PgQueue, connection: psycopg.Connection[Any], database_url: str) -> None:
    connection.execute("revoke execute on all functions in schema pgqueue from public")
    connection.execute("drop role if exists check_looks")
    connection.execute("create role check_looks login")
    try:
        connection.execute("grant usage on schema pgqueue to check_looks")
        connection.execute("grant execute on all functions in schema pgqueue to check_looks")
        connection.execute("grant select on all tables in schema pgqueue to check_looks")
        assert "may-not-work" not in found(PgQueue(_as(database_url, "check_looks")))
        for (one,) in connection.execute("select p.oid::regprocedure::text from pg_proc p where proname = 'register_worker'"):
            connection.execute(f"revoke execute on function {one} from check_looks")
        assert found(PgQueue(_as(database_url, "check_looks")))["may-not-work"] == "error"
    finally:
        connection.execute("drop owned by check_looks")
        connection.execute("drop role check_looks")


def _as(url: str, role: str) -> str:
    return psycopg.conninfo.make_conninfo(url, user=role)


def test_too_few_connections_are_told(run: Run, connection: psycopg.Connection[Any]) -> None:
    """The database's own limit counts; a superuser is not held by it."""
    connection.execute(f"alter database {connection.info.dbname} connection limit 20")
    few = run("worker", APP, "--check", "--processes", "6")
    enough = run("worker", APP, "--check", "--processes", "2")
    assert (few.code, names(few)) == (2, ["too-few-connections"])
    assert "need 24 connections at least, and the database allows 20" in few.out
    assert (enough.code, names(enough)) == (0, ["connections-may-run-out"])


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (Room(100, 50, 0, None, None, True), []),
        (Room(100, 80, 0, None, None, True), ["connections-may-run-out"]),
        (Room(100, 80, 40, None, None, True), []),  # those of workers that these take the place of
        (Room(100, 85, 0, None, None, True), ["few-connections"]),
        (Room(100, 95, 0, None, None, True), ["too-few-connections"]),
        (Room(100, 50, 0, 5, None, True), ["too-few-connections"]),
        (Room(100, 50, 0, None, 20, True), ["connections-may-run-out"]),
    ],
)
def test_room_is_that_of_the_server_the_role_and_the_database(room: Room, expected: list[str]) -> None:
    assert [one.name for one in of_room(Needed(8, 30), room)] == expected


def test_pools_count_by_the_kinds_of_handlers(app: PgQueue) -> None:
    only = needed(app, 100, 1)

    @app.task
    async def on_the_loop() -> None: ...

    with_async = needed(app, 100, 1)

    @app.task
    def in_a_thread() -> None: ...

    with_both = needed(app, 100, 2)
    assert only.most < with_async.most < with_both.most
    assert with_both.steady == 2 * only.steady
    assert with_async.most - only.most == app.settings.transaction_pool_size + app.settings.pool_size
    assert needed(app, 1, 1).most - only.most == 4  # no handler needs more than one of each


def test_of_several_installs_each_is_checked(run: Run) -> None:
    ran = run("worker", APP, "--check", "--schemas", "pgq*,elsewhere", "--queues", "default,mail")
    assert re.findall(r"^schema (\w+)$", ran.out, re.MULTILINE) == ["pgqueue", "elsewhere"]
    assert (ran.code, names(ran)) == (2, ["not-migrated"])


def test_processes_for_handlers_are_reckoned_by_the_cpus_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as a worker starts there, however many the host has."""
    app = PgQueue(URL, transaction_pool_size=1, pool_size=1)
    app.task(executor="process")(compute)
    monkeypatch.setattr(Machine, "cores", lambda self: 3.0)
    assert needed(app, 100, 1).most - needed(app, 1, 1).most == 2
