"""`pgqueue migrate --roles`: any number of times, by many at once, or not at all."""

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgqueue.errors import ConfigurationError, InvalidArgument
from pgqueue.migrate import migrate
from tests.cli.conftest import run_here
from tests.waiting import until

from .conftest import LOGINS, Install


@pytest.fixture
def other_schema(server_url: str) -> Iterator[str]:
    """The name of a schema whose roles are gone afterwards; ask for it before the databases that use it."""
    schema = f"t{uuid.uuid4().hex[:8]}"
    yield schema
    drop_roles(server_url, schema)


def drop_roles(server_url: str, schema: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        for kind in reversed(LOGINS):
            connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(f"{schema}_{kind}")))


def roles_of(url: str, schema: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select substr(rolname, length(%s) + 2) from pg_roles where starts_with(rolname, %s || '_') order by 1",
            [schema, schema],
        )
        return [name for (name,) in rows]


def test_without_being_asked_a_migration_makes_no_roles(other_schema: str, empty_database_url: str) -> None:
    migrate(empty_database_url, other_schema)
    assert roles_of(empty_database_url, other_schema) == []


PRIVILEGES = """
select oid::regprocedure::text as name, (select array_agg(a::text order by a::text) from unnest(proacl) a) from pg_proc
 where pronamespace = current_schema()::regnamespace
union all
select oid::regclass::text, (select array_agg(a::text order by a::text)
                               from unnest(coalesce(relacl, acldefault('r', relowner))) a) from pg_class
 where relnamespace = current_schema()::regnamespace
union all
select roleid::regrole || ' to ' || member::regrole, null from pg_auth_members
 where starts_with(roleid::regrole::text, current_schema())
 order by name"""


def test_a_second_time_gives_exactly_what_is_written(install: Install) -> None:
    def privileges() -> list[tuple[Any, ...]]:
        return install.rows(PRIVILEGES)

    install.rows("select maintain()")  # which a migration does, too: other tests of this install drop partitions
    before = privileges()
    with install.as_login(None) as owner:
        owner.execute(f"grant all on job, jobs to {install.role('producer')}")
        owner.execute(f"grant execute on function claim to {install.role('viewer')}")
        owner.execute(f"revoke execute on function enqueue from {install.role('producer')}")
        owner.execute(f"revoke {install.role('viewer')} from {install.role('operator')}")
    assert not migrate(install.url, install.schema, roles=True)
    assert privileges() == before


@pytest.mark.parametrize("schema", ['Büro "100%" {x}', "o'clock $$", "x" * 54])
def test_roles_have_the_name_of_any_schema(server_url: str, empty_database_url: str, schema: str) -> None:
    try:
        migrate(empty_database_url, schema, roles=True)
        assert roles_of(empty_database_url, schema) == sorted(LOGINS)
    finally:
        with psycopg.connect(empty_database_url) as connection:
            connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
        drop_roles(server_url, schema)


def test_a_name_too_long_for_roles_is_refused(empty_database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidArgument, match=r"^schema: 'x{55}' is not valid; its roles need a name of at most 54 bytes"):
        migrate(empty_database_url, "x" * 55, roles=True)
    code, _, err = run_here(capsys, "migrate", "--roles", "--schema", "ü" * 28, "--database-url", empty_database_url)
    assert (code, err.count("\n")) == (2, 1)
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select count(*) from pg_namespace where nspname ~ '^[xü]'").fetchone() == (0,)


def test_without_createrole_nothing_is_done_and_the_remedy_is_said(
    install: Install, other_schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install.new_login("owner")
    install.on_server("grant create on database {} to {}", install.schema, install.login("owner"))
    url = install.url_of("owner")
    with pytest.raises(ConfigurationError, match=r"may not create the role .*CREATEROLE"):
        migrate(url, other_schema, roles=True)
    assert install.rows("select 1 from pg_namespace where nspname = %s", other_schema) == []

    code, _, err = run_here(capsys, "migrate", "--roles", "--schema", other_schema, "--database-url", url)
    assert (code, err.count("\n")) == (2, 1)
    assert "CREATEROLE" in err

    assert migrate(url, other_schema), "without roles it needs none of that"
    install.on_server("alter role {} createrole", install.login("owner"))
    assert run_here(capsys, "migrate", "--roles", "--schema", other_schema, "--database-url", url).code == 0
    install.on_server("alter role {} nocreaterole", install.login("owner"))
    assert not migrate(url, other_schema, roles=True), "the roles are there: nothing special is needed any more"
    assert roles_of(install.url, other_schema) == sorted(LOGINS)

    with install.as_login("owner") as owner:
        owner.execute(f"drop schema {other_schema} cascade")
    install.on_server("grant {} to {}", install.role("viewer"), install.login("owner"))


def test_two_databases_that_make_the_same_roles_at_once_both_get_them(
    other_schema: str, server_url: str, database_url: str, empty_database_url: str
) -> None:
    failed: list[Exception] = []

    def migrate_too() -> None:
        try:
            migrate(empty_database_url, other_schema, roles=True)
        except Exception as error:
            failed.append(error)

    with psycopg.connect(database_url) as first, psycopg.connect(server_url, autocommit=True) as admin:
        for kind in LOGINS:
            first.execute(sql.SQL("create role {} nologin").format(sql.Identifier(f"{other_schema}_{kind}")))
        first.execute(
            sql.SQL("grant {} to {}").format(sql.Identifier(f"{other_schema}_producer"), sql.Identifier(f"{other_schema}_worker"))
        )
        other = threading.Thread(target=migrate_too)
        other.start()
        until(lambda: admin.execute("select count(*) from pg_locks where not granted").fetchone() == (1,), "the other waits")
        first.commit()
        other.join()
    assert failed == []
    assert roles_of(empty_database_url, other_schema) == sorted(LOGINS)
