"""pgqueue doctor, pgqueue maintain, app.doctor(): each check by itself, the worst first, nothing is changed."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from pgqueue import Finding, PgQueue
from pgqueue.cli import output
from pgqueue.database.calls.doctor import Situation
from pgqueue.doctor import listening, situation, zones

from ..looking import Look
from .conftest import Run, run_here

OF_THE_SERVER = {"fsync-off"}  # the server of the tests spares the disk
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def kept_on_the_disk(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """As if the server of the tests did not spare the disk."""
    if "connection" in request.fixturenames:
        connection = request.getfixturevalue("connection")
        (text,) = connection.execute("select pg_get_functiondef('diagnose_settings'::regproc)").fetchone()
        connection.execute(re.sub(r"else s.reset_val = 'off'", "else s.reset_val = 'off' and s.name <> 'fsync'", text))
        connection.execute("select note_objects()")


def names(findings: list[Finding]) -> list[str]:
    """The kinds of the findings."""
    return [one.name for one in findings]


def test_a_sound_install(run: Run, connection: psycopg.Connection[Any]) -> None:
    ran = run("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(r"\d\d checks, all well\n", ran.out)
    assert run("doctor", "--json").lines == [{"checks": 20, "exit_code": 0, "findings": []}]


def test_what_is_wrong_is_shown_with_its_remedy_the_worst_first(
    run: Run, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("select pause('queue', 'mail', by => 'ada', reason => 'deploy')")
    connection.execute("update pause set paused_at = now() - interval '2 days'")
    warned = run("doctor")
    connection.execute("drop index job_scheduled")
    ran = run("doctor")
    (answer,) = run("doctor", "--json").lines

    assert (warned.code, ran.code, answer["exit_code"]) == (1, 2, 2)
    assert [one["severity"] for one in answer["findings"]] == ["error", "warning"]
    assert list(answer["findings"][0]) == ["name", "severity", "subject", "problem", "figures", "consequence", "remedy"]
    blocks = ran.out.split("\n\n")
    assert blocks[0].startswith("ERROR  object-missing\n  the index job_scheduled is missing\n  so: ")
    assert "do: select pgqueue.resume('queue', 'mail')" in blocks[1]
    assert blocks[2] == "20 checks: 1 error, 1 warning\n"


def test_app_doctor_returns_the_findings(app: PgQueue, connection: psycopg.Connection[Any]) -> None:
    connection.execute("drop index job_scheduled")
    (one,) = app.doctor()
    assert (one.name, one.figures) == ("object-missing", {"kind": "index", "name": "job_scheduled"})
    assert asyncio.run(app.adoctor()) == [one]


def test_a_check_that_takes_too_long_is_told_and_the_others_are_made(app: PgQueue, connection: psycopg.Connection[Any]) -> None:
    """H7: 2 s on the server."""
    connection.execute("drop index job_scheduled")
    connection.execute(
        "create or replace function diagnose_pauses(older interval default '1 day') returns setof finding language plpgsql "
        "security definer set search_path from current as 'begin perform pg_sleep(60); end'"
    )
    connection.execute("select note_objects()")
    connection.execute(
        "create or replace function diagnose_queues(after interval default '1 minute') returns setof finding language sql "
        "as 'select null, null, null, null, null::jsonb, null, (1/0)::text'"
    )
    findings = app.doctor()
    told = {one.subject: one for one in findings if one.name == "check-not-run"}
    assert told.keys() == {"pauses", "queues"}
    assert "2 s" in told["pauses"].remedy
    assert "division by zero" in told["queues"].problem


def test_a_database_that_cannot_be_reached(capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_here(capsys, "doctor", "--database-url", "postgresql://nobody@localhost:1/none")
    assert ran.code == 2
    assert ran.out.startswith("ERROR  no-connection\n")


def test_a_schema_without_pgqueue_says_what_to_do(capsys: pytest.CaptureFixture[str], empty_database_url: str, run: Run) -> None:
    """H5: migrate not run."""
    ran = run_here(capsys, "doctor", "--database-url", empty_database_url)
    assert ran.code == 2
    assert ran.out.startswith("ERROR  not-migrated\n  the schema pgqueue does not exist\n")
    assert "do: pgqueue migrate --schema pgqueue" in ran.out


def test_another_version(app: PgQueue, connection: psycopg.Connection[Any]) -> None:
    connection.execute("create or replace function installed_version() returns text language sql as $$ select '9.0' $$")
    assert "other-version" in names(app.doctor())


def test_an_app_whose_settings_are_wrong(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_LEESE", "30")
    assert "PGQUEUE_LEESE" in next(one for one in app.doctor() if one.name == "wrong-configuration").problem


def test_the_tasks_of_an_app_are_checked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_LEESE", "30")
    (answer,) = run("doctor", "tests.cli.jobs", "--json").lines
    assert "wrong-configuration" in [one["name"] for one in answer["findings"]]
    assert run("doctor", "tests.cli.none").code == 2


def test_behind_a_transaction_pooler_wake_ups_do_not_arrive(
    database_url: str, pooled: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "ECHO_WITHIN", 0.3)
    through = pooled(4)
    assert "no-wake-ups" in names(PgQueue(through).doctor())
    assert "no-wake-ups" not in names(PgQueue(through, listen_url=database_url).doctor())


def test_remedies_can_be_pasted_whatever_the_names_are() -> None:
    """A shell and SQL quote each in its way."""
    sound = Situation('o"d', "my db", 180000, False, True, True, True, False, datetime.now(UTC))
    refused = situation.SituationCheck('q"x', lambda call: sound).look()
    absent = situation.SituationCheck("My Queue", lambda call: sound._replace(is_installed=False, may_use=None)).look()

    assert [one.remedy for one in refused] == [
        'alter role "o""d" reset default_transaction_read_only; alter database "my db" reset default_transaction_read_only',
        'grant "q""x_viewer" to "o""d" -- pgqueue migrate --roles makes the roles',
    ]
    assert absent[-1].remedy.startswith("pgqueue migrate --schema 'My Queue'")


def found_of(schema: str, **changes: Any) -> list[str]:
    """What is found of a server that is like this."""
    sound = Situation("ada", "db", 180000, False, False, True, True, True, datetime.now(UTC))
    answers = iter([sound._replace(**changes), "0.1.0.dev0"])
    return names(situation.SituationCheck(schema, lambda call: next(answers)).look())


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"version": 140011}, ["server-too-old"]),
        ({"is_standby": True}, ["server-is-standby"]),
        ({"is_read_only": True}, ["read-only"]),
        ({"clock": NOW - timedelta(hours=1)}, ["clock-differs"]),
        ({"clock": NOW + timedelta(hours=1)}, ["clock-differs"]),
        ({"may_diagnose": None}, ["other-version"]),
    ],
    ids=["sound", "old", "standby", "read-only", "clock behind", "clock ahead", "without doctor"],
)
def test_what_the_server_is(changes: dict[str, Any], found: list[str]) -> None:
    assert found_of("pgqueue", **changes) == found


def test_zones_are_compared_on_both_sides_of_each_change(app: PgQueue, connection: psycopg.Connection[Any]) -> None:
    """T6: the server says the same of the zones of its own tests, and would be seen not to."""
    points = zones.points_of(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Mars/Olympus"])
    assert connection.execute("select * from diagnose_zones(%s)", [points]).fetchall() == []
    assert points.count("Europe/Berlin") == zones.DAYS + 1 + 2 * 2
    assert "Mars" not in points
    connection.execute(
        """select set_schedule('x', '{"cron": ["0 2 * * *"], "timezone": "Europe/Berlin", "job": {"task": "n"}}')"""
    )
    assert names(app.doctor()) == []


def test_maintain(run: Run, look: Look) -> None:
    look.rows("insert into job_result values (1, '1', clock_timestamp() - interval '1 s')")
    assert run("maintain").out == "maintained\n"
    assert look.value("select count(*) from job_result") == 0


def test_maintain_removes_dead_rows(run: Run, look: Look) -> None:
    """FAULTS 27."""
    look.rows("select enqueue('noop') from generate_series(1, 100)")
    look.rows("delete from job")
    look.value("select pg_stat_force_next_flush()")
    (answer,) = run("maintain", "--vacuum", "--json").lines
    look.value("select pg_stat_force_next_flush()")
    assert {"job", "job_history", "worker"} <= set(answer["vacuumed"])
    assert look.value("select n_dead_tup from pg_stat_user_tables where relname = 'job'") == 0
    assert look.value("select vacuum_count from pg_stat_user_tables where relname = 'worker'") == 1


def test_a_table_of_somebody_else_in_the_schema_does_not_keep_ours_from_vacuum(run: Run, look: Look) -> None:
    role = look.value("select 'r' || replace(gen_random_uuid()::text, '-', '')")
    look.rows(f"create role {role}")
    look.rows("create table theirs (id int)")
    look.rows(f"alter table theirs owner to {role}")
    try:
        (answer,) = run("maintain", "--vacuum", "--json").lines
    finally:
        look.rows("drop table theirs")
        look.rows(f"drop role {role}")
    assert "job" in answer["vacuumed"]
    assert "theirs" not in answer["vacuumed"]


def test_of_one_kind_the_first_are_shown_on_a_terminal(run: Run, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """80 columns: nothing is cut."""
    monkeypatch.setattr(output, "PIPED_WIDTH", 80)
    look.rows("select pause('queue', 'mail' || n, by => 'ada', reason => 'a deploy which is long') from generate_series(1, 9) n")
    look.rows("update pause set paused_at = now() - interval '2 days'")
    lines = run("doctor").out.splitlines()
    assert lines.count("WARNING  pause-forgotten") == 5
    assert lines[-2:] == ["and 4 more of pause-forgotten: see --json", "20 checks: 9 warnings"]
    assert max(map(len, lines)) <= 80
    assert len(run("doctor", "--json").lines[0]["findings"]) == 9
