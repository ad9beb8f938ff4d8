"""A schema that somebody else made, may change or has filled is not installed in: what is there would run as the owner."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgqueue import PgQueue
from pgqueue.errors import ConfigurationError
from pgqueue.migrate import migrate
from tests.cli.conftest import run_here
from tests.test_alembic import psql
from tests.waiting import until

from .towns import OUTSIDER, OWNER, SUPERUSER, Town, logins

WHO = [SUPERUSER, OWNER]
TRAP = """create function {s}.hashtext(name) returns int language plpgsql as
    $$ begin raise exception 'the code of the outsider runs as %', current_user; end $$"""


@pytest.fixture
def town(server_url: str, empty_database_url: str) -> Iterator[Town]:
    with logins(server_url, str(conninfo_to_dict(empty_database_url)["dbname"])) as town:
        yield town


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("content", ["select", TRAP], ids=["empty", "trap"])
def test_a_schema_of_somebody_else_is_refused(town: Town, who: str, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    town.run(OUTSIDER, "create schema {s}", content, "grant all on schema {s} to public")
    message = f"schema: {town.schema} belongs to the role {town.role(OUTSIDER)}, and {town.role(who)} migrates; "
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}.*alter schema {town.schema} owner to"):
        migrate(town.url_of(who), town.schema)
    code, _, err = run_here(capsys, "migrate", "--schema", town.schema, "--database-url", town.url_of(who))
    assert (code, err.count("\n"), message in err) == (2, 1, True)
    assert_nothing_is_installed(town)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("grantee", ["public", "{outsider}"])
def test_a_schema_in_which_others_may_create_is_refused_until_they_may_not(town: Town, who: str, grantee: str) -> None:
    town.run(who, "create schema {s}", f"grant create on schema {{s}} to {grantee} with grant option" if grantee != "public"
             else "grant create on schema {s} to public")  # fmt: skip
    with pytest.raises(ConfigurationError, match=f"^schema: others may create in {town.schema}; ") as refused:
        migrate(town.url_of(who), town.schema)
    assert_nothing_is_installed(town)
    town.run(who, str(refused.value).partition("or: ")[2])
    assert migrate(town.url_of(who), town.schema)


@pytest.mark.parametrize("who", WHO)
def test_whoever_may_create_in_a_schema_that_is_installed_is_named(town: Town, who: str) -> None:
    migrate(town.url_of(who), town.schema)
    town.run(who, "grant create on schema {s} to {outsider}")
    with pytest.raises(ConfigurationError, match=f"revoke create on schema {town.schema} from {town.role(OUTSIDER)} cascade$"):
        migrate(town.url_of(who), town.schema)


OBJECTS = {
    "table": "create table {s}.x ()",
    "view": "create view {s}.x as select 1",
    "sequence": "create sequence {s}.x",
    "function": "create function {s}.hashtext(name) returns int language sql as 'select 1'",
    "procedure": "create procedure {s}.x() language sql as 'select 1'",
    "aggregate": "create aggregate {s}.x(int) (sfunc = int4pl, stype = int)",
    "operator": "create operator {s}.= (procedure = oideq, leftarg = oid, rightarg = oid)",
    "operator family": "create operator family {s}.x using btree",
    "type": "create type {s}.x as enum ()",
    "type, composite": "create type {s}.x as ()",
    "type, domain": "create domain {s}.x as int",
    "collation": 'create collation {s}.x from "C"',
    "text search": "create text search configuration {s}.x (parser = pg_catalog.default)",
    "conversion": "create conversion {s}.x for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8",
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_schema_that_holds_anything_else_is_refused(town: Town, kind: str) -> None:
    town.run(SUPERUSER, "create schema {s}", OBJECTS[kind])
    message = f"^schema: {town.schema} has no pgqueue, and holds other objects: {kind.partition(',')[0]}"
    with pytest.raises(ConfigurationError, match=message):
        migrate(town.url, town.schema)


@pytest.mark.parametrize("who", WHO)
def test_an_object_of_somebody_else_in_an_install_is_refused_until_it_is_gone(town: Town, who: str) -> None:
    migrate(town.url_of(who), town.schema)
    for kind, name, made in [
        ("function", f"{town.schema}.hashtext(pg_catalog.name)", TRAP),
        ("table", f"{town.schema}.schema_version", None),
        ("view", f"{town.schema}.jobs", None),
        ("type", f"{town.schema}.job_state", None),
    ]:
        town.run(SUPERUSER, *([made] if made else []), f"alter {kind} {name} owner to {{outsider}}")
        with pytest.raises(ConfigurationError, match=f"^schema: the {kind} {re.escape(name)} belongs to the role "):
            migrate(town.url_of(who), town.schema)
        town.run(SUPERUSER, f"drop {kind} {name}" if made else f"alter {kind} {name} owner to {{{who}}}")
    assert not migrate(town.url_of(who), town.schema)


@pytest.mark.parametrize("who", WHO)
def test_an_object_that_its_owner_has_put_into_an_extension_is_refused_and_those_of_superusers_are_not(
    town: Town, who: str
) -> None:
    migrate(town.url_of(who), town.schema)
    member = "create function {s}.member() returns int language sql as 'select 1'"
    town.run(SUPERUSER, member, "alter extension plpgsql add function {s}.member()")
    try:
        assert not migrate(town.url_of(who), town.schema)
        town.run(SUPERUSER, "alter function {s}.member() owner to {outsider}")
        with pytest.raises(ConfigurationError, match=f"member.* belongs to the role {town.role(OUTSIDER)}"):
            migrate(town.url_of(who), town.schema)
    finally:
        town.run(SUPERUSER, "alter extension plpgsql drop function {s}.member()")


@pytest.mark.parametrize("who", WHO)
def test_a_role_of_the_schema_that_may_create_in_it_before_the_install_is_refused(town: Town, who: str) -> None:
    town.run(who, "create schema {s}")
    town.run(SUPERUSER, "create role {producer} nologin", "grant create on schema {s} to {producer}")
    with pytest.raises(ConfigurationError, match=f"revoke create on schema {town.schema} from {town.role('producer')} cascade$"):
        migrate(town.url_of(who), town.schema, roles=True)


def test_a_member_of_the_owner_upgrades_the_install_as_the_owner(town: Town) -> None:
    migrate(town.url_of(OWNER), town.schema)
    town.run(SUPERUSER, "grant {owner} to {outsider}")
    with pytest.raises(ConfigurationError, match=f"belongs to the role {town.role(OWNER)}.*option role"):
        migrate(town.url_of(OUTSIDER), town.schema)
    assert not migrate(make_conninfo(town.url_of(OUTSIDER), options=f"-c role={town.role(OWNER)}"), town.schema)


def test_a_superuser_who_sets_the_role_of_the_owner_is_refused_before_what_the_owner_has_made_is_the_superuser_again(
    town: Town,
) -> None:
    migrate(town.url_of(OUTSIDER), town.schema)
    town.run(
        OUTSIDER,
        """create or replace function {s}.maintain() returns bool language plpgsql as $$ begin
        execute 'set role none'; execute 'alter role {outsider} superuser'; execute 'set role {outsider}'; return true; end $$""",
    )
    as_owner = make_conninfo(town.url, options=f"-c role={town.role(OUTSIDER)}")
    with pytest.raises(ConfigurationError, match=f"could become the superuser again: log in as {town.role(OUTSIDER)}"):
        migrate(as_owner, town.schema)
    assert town.rows("select rolsuper from pg_roles where rolname = %s", town.role(OUTSIDER)) == [(False,)]


@pytest.mark.parametrize(
    ("right", "made", "remedy"),
    [
        ("trigger", "create trigger later after insert on {s}.job execute function lair.it()", "drop trigger later"),
        ("references", "create table lair.later (id bigint constraint later references {s}.job)", "drop constraint later"),
    ],
    ids=["trigger", "foreign key"],
)
def test_what_somebody_has_left_on_a_table_by_an_earlier_right_is_refused(town: Town, right: str, made: str, remedy: str) -> None:
    migrate(town.url_of(OWNER), town.schema, roles=True)
    town.run(OWNER, "grant usage on schema {s} to {outsider}", f"grant {right} on {{s}}.job to {{outsider}}")
    it = "create function lair.it() returns trigger language plpgsql as 'begin return new; end'"
    town.run(OUTSIDER, "create schema lair", it, made)
    with pytest.raises(ConfigurationError, match=f"later on the table .*job is of the role {town.role(OUTSIDER)}.*{remedy}"):
        migrate(town.url_of(OWNER), town.schema, roles=True)


def test_an_extension_that_a_superuser_has_put_into_an_install_is_no_reason_to_refuse(town: Town) -> None:
    migrate(town.url_of(OWNER), town.schema)
    there = town.rows("select name from pg_available_extensions where name = any (array['vector', 'pg_trgm']) order by name")
    town.run(SUPERUSER, f"create extension {there[0][0]} schema {{s}}")
    assert not migrate(town.url_of(OWNER), town.schema)


FAKE = """create function {s}.%s returns %s language plpgsql as
    $$ begin execute 'alter role {outsider} superuser'; return %s; end $$"""


def test_a_superuser_who_looks_at_a_planted_schema_calls_nothing_in_it(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    town.run(OUTSIDER, "create schema {s}", FAKE % ("installed_version()", "text", "'0'"),
             FAKE % ("diagnose_settings()", "setof int", ""), FAKE % ("maintain()", "bool", "true"))  # fmt: skip
    app = PgQueue(town.url, schema=town.schema)
    message = (
        f"schema: {town.schema} belongs to the role {town.role(OUTSIDER)}, and what it has put there would run as a superuser"
    )
    assert [(one.name, one.problem.startswith(message)) for one in app.doctor()] == [("foreign-schema", True)]
    with pytest.raises(ConfigurationError, match=message):
        app.check()
    for command in (["maintain"], ["job", "1", "--logs"]):
        code, _, err = run_here(capsys, *command, "--schema", town.schema, "--database-url", town.url)
        assert (code, err.count("\n"), message in err) == (2, 1, True), command
    assert town.rows("select rolsuper from pg_roles where rolname = %s", town.role(OUTSIDER)) == [(False,)]


def test_the_schema_public_is_for_the_owner_of_the_database(town: Town) -> None:
    town.run(SUPERUSER, f"alter database {conninfo_to_dict(town.url)['dbname']} owner to {{owner}}")
    with pytest.raises(ConfigurationError, match=r"^schema: public belongs to the role pg_database_owner"):
        migrate(town.url, "public")
    assert migrate(town.url_of(OWNER), "public")
    assert town.rows("select has_schema_privilege('public', 'public', 'usage')") == [(True,)], "others use it too"


def test_an_owner_of_a_schema_needs_no_create_on_the_database(town: Town) -> None:
    town.run(SUPERUSER, f"revoke create on database {conninfo_to_dict(town.url)['dbname']} from {{owner}}")
    with pytest.raises(ConfigurationError, match=r"may not create the schema .*grant create on database"):
        migrate(town.url_of(OWNER), town.schema)
    town.run(SUPERUSER, "create schema {s} authorization {owner}")
    assert migrate(town.url_of(OWNER), town.schema)


def test_what_an_open_transaction_has_made_in_a_schema_is_waited_for(town: Town) -> None:
    """Its right to create may have been taken since: what it commits would appear in the middle of the install."""
    town.run(SUPERUSER, "create schema {s}", "grant all on schema {s} to {outsider}")
    failed: list[Exception] = []

    def install() -> None:
        try:
            migrate(town.url, town.schema)
        except Exception as error:
            failed.append(error)

    with town.as_login(OUTSIDER, autocommit=False) as outsider, town.as_login(SUPERUSER) as look:
        outsider.execute(town.text(TRAP))
        town.run(SUPERUSER, "revoke all on schema {s} from {outsider}")
        installing = threading.Thread(target=install)
        installing.start()
        asleep = "select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
        until(lambda: bool(look.execute(asleep).fetchall()), "the migration waits")
        outsider.commit()
        installing.join()
    assert [type(error) for error in failed] == [ConfigurationError]
    assert "holds other objects: function" in str(failed[0])


def test_a_statement_that_waits_with_its_right_to_create_behind_it_is_waited_for_before_it_has_an_id(town: Town) -> None:
    """A constant of a function's body is read before the function is made, and this one waits."""
    town.run(SUPERUSER, "create schema {s}", "grant all on schema {s} to {outsider}")
    town.run(
        OUTSIDER,
        "create schema lair",
        "create function lair.waits(int) returns bool return pg_advisory_lock_shared(42) is not null",
        "create domain lair.slow as int check (lair.waits(value))",
        "create type lair.pair as (it lair.slow)",
    )
    trap = town.text("create function {s}.hashtext(name) returns int begin atomic select 1 where '(1)'::lair.pair is null; end")
    with town.as_login(OUTSIDER) as holder, town.as_login(OUTSIDER) as outsider, town.as_login(SUPERUSER) as look:
        holder.execute("select pg_advisory_lock(42)")
        making = threading.Thread(target=outsider.execute, args=[trap])
        making.start()
        waits = "select from pg_locks where locktype = 'advisory' and not granted and pid = %s"
        until(lambda: bool(look.execute(waits, [outsider.info.backend_pid]).fetchall()), "the outsider waits")
        town.run(SUPERUSER, "revoke all on schema {s} from {outsider}")
        ends: list[str] = []
        installing = threading.Thread(target=lambda: ends.append(end_of_install(town)))
        installing.start()
        asleep = "select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
        until(lambda: bool(ends or look.execute(asleep).fetchall()), "the migration waits, or has ended")
        holder.execute("select pg_advisory_unlock(42)")
        making.join()
        installing.join()
    assert "holds other objects: function" in ends[0]


def end_of_install(town: Town) -> str:
    try:
        migrate(town.url, town.schema)
    except ConfigurationError as refused:
        return str(refused)
    return "installed"


@pytest.mark.parametrize("command", [["upgrade", "head"], ["current"], ["stamp", "head"]], ids=lambda command: command[0])
def test_the_command_alembic_refuses_it_too(town: Town, command: list[str]) -> None:
    town.run(OUTSIDER, "create schema {s}", "create table {s}.schema_version (version_num text)",
             "grant usage on schema {s} to public", "grant select on {s}.schema_version to public")  # fmt: skip
    done = alembic(town, *command)
    assert done.returncode != 0
    assert f"belongs to the role {town.role(OUTSIDER)}" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_the_sql_of_an_upgrade_refuses_it_too(town: Town, tmp_path: Path) -> None:
    written = alembic(town, "upgrade", "head", "--sql")
    assert written.returncode == 0, written.stderr
    (tmp_path / "upgrade.sql").write_text(written.stdout, encoding="utf-8")
    town.run(OUTSIDER, "create schema {s}", "grant all on schema {s} to public")
    with pytest.raises(subprocess.CalledProcessError):
        psql(town.url, tmp_path / "upgrade.sql")
    assert_nothing_is_installed(town)


def alembic(town: Town, *command: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PGQUEUE_DATABASE_URL": town.url, "PGQUEUE_SCHEMA": town.schema}
    arguments = [sys.executable, "-m", "alembic", *command]
    checkout = Path(__file__).parents[2]
    return subprocess.run(arguments, cwd=checkout, env=environment, text=True, capture_output=True, check=False)


def assert_nothing_is_installed(town: Town) -> None:
    assert town.rows("select from pg_class where relnamespace::regnamespace::text = %s", town.schema) == []
