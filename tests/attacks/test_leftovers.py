"""Rights from before an install and beside it: default privileges, grants, and what the roles are."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pgqueue.errors import ConfigurationError
from pgqueue.migrate import migrate

from .towns import KINDS, OUTSIDER, OWNER, SUPERUSER, Town, logins

WHO = [SUPERUSER, OWNER]
RIGHTS = """
with a as (
    select 'relation' as kind, relname::text as name, x.* from pg_class, aclexplode(relacl) x
     where relnamespace = quote_ident(%(s)s)::regnamespace and grantee <> relowner
    union all
    select 'column', relname || '.' || attname, x.*
      from pg_class join pg_attribute on attrelid = pg_class.oid, aclexplode(attacl) x
     where relnamespace = quote_ident(%(s)s)::regnamespace and grantee <> relowner
    union all
    select 'function', pg_proc.oid::regprocedure::text, x.*
      from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) x
     where pronamespace = quote_ident(%(s)s)::regnamespace and grantee <> proowner
    union all
    select 'type', typname, x.* from pg_type, aclexplode(typacl) x
     where typnamespace = quote_ident(%(s)s)::regnamespace and grantee not in (0, typowner)
    union all
    select 'schema', nspname, x.* from pg_namespace, aclexplode(nspacl) x where nspname = %(s)s and grantee <> nspowner
)
select kind, name, grantor::regrole::text, case grantee when 0 then 'public' else grantee::regrole::text end, privilege_type,
       is_grantable
  from a
union all
select 'member', roleid::regrole::text, admin_option::text, member::regrole::text, to_jsonb(m)->>'inherit_option', true
  from pg_auth_members m where member = any (array(select oid from pg_roles where rolname = any (%(roles)s)))
union all
select 'attribute', rolname, '', row(rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls)::text,
       rolinherit::text, true
  from pg_roles where rolname = any (%(roles)s)
 order by 1, 2, 3, 4, 5"""


@pytest.fixture
def town(server_url: str, empty_database_url: str) -> Iterator[Town]:
    with logins(server_url, str(conninfo_to_dict(empty_database_url)["dbname"])) as town:
        yield town


def rights(town: Town) -> list[tuple[Any, ...]]:
    with psycopg.connect(town.url) as connection:
        params = {"s": town.schema, "roles": [town.role(kind) for kind in KINDS]}
        return connection.execute(RIGHTS, params).fetchall()


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("grantee", ["{outsider}", "public"])
def test_default_privileges_leave_nothing_on_what_migrate_makes_nor_on_later_partitions(
    town: Town, who: str, grantee: str
) -> None:
    town.run(who, *(
        f"alter default privileges for role {{{who}}} grant all on {kind} to {grantee}"
        for kind in ("tables", "sequences", "routines", "types", "schemas")
    ))  # fmt: skip
    try:
        migrate(town.url_of(who), town.schema)
        assert rights(town) == []
        town.run(who, f"alter default privileges for role {{{who}}} in schema {{s}} grant all on tables to {grantee}")
        last = town.rows("select max(relname)::text from pg_class where relname ~ '^job_history_[0-9]{{8}}$'")[0][0]
        town.run(who, f"drop table {{s}}.{last}", "select {s}.maintain()")
        assert town.rows("select max(relname)::text from pg_class where relname ~ '^job_history_[0-9]{{8}}$'") == [(last,)]
        assert rights(town) == []
    finally:
        town.run(who, *(
            f"alter default privileges for role {{{who}}} revoke all on {kind} from {grantee}"
            for kind in ("tables", "sequences", "types", "schemas")
        ))  # fmt: skip


LEFT_OVER = [
    "grant create on schema {s} to {producer}",
    "grant usage on schema {s} to {outsider} with grant option",
    "grant all on {s}.job, {s}.jobs, {s}.job_history_default to {outsider} with grant option",
    "grant usage on sequence {s}.job_id_seq to {worker}, public",
    "grant select (args), update (args) on {s}.job to {producer}, public",
    "grant execute on all functions in schema {s} to {outsider}, {viewer} with grant option",
    "revoke all on function {s}.enqueue from {producer}",
    "revoke usage on schema {s} from {viewer} cascade",
    "grant usage on type {s}.job_state to {outsider}",
]
BY_OTHERS = [
    "grant select on {s}.job to {producer} with grant option",
    "grant execute on all functions in schema {s} to public",
]
OF_ROLES = [
    "grant {producer} to {viewer}",
    "grant {viewer} to {operator} with admin option",
    "revoke {worker} from {admin}",
    "grant pg_read_all_data to {producer}",
    "grant {outsider} to {worker}",
    "alter role {viewer} superuser createrole createdb login bypassrls replication",
    "alter role {worker} noinherit",
]


def test_roles_end_with_exactly_what_is_written_whoever_had_what(town: Town) -> None:
    migrate(town.url, town.schema, roles=True)
    before = rights(town)
    town.run(SUPERUSER, *LEFT_OVER)
    town.run(OUTSIDER, *BY_OTHERS)
    town.run(SUPERUSER, *OF_ROLES)
    assert not migrate(town.url, town.schema, roles=True)
    assert rights(town) == before


def test_so_they_do_for_an_owner_who_is_no_superuser(town: Town) -> None:
    migrate(town.url_of(OWNER), town.schema, roles=True)
    before = rights(town)
    town.run(OWNER, *LEFT_OVER)
    town.run(OUTSIDER, *BY_OTHERS)
    town.run(OWNER, "grant {producer} to {viewer}", "alter role {viewer} createrole login")
    assert not migrate(town.url_of(OWNER), town.schema, roles=True)
    assert rights(town) == before


@pytest.mark.parametrize(
    ("made", "remedy"),
    [
        ("grant pg_read_all_data to {producer}", "revoke pg_read_all_data from"),
        ("alter role {viewer} superuser", "alter role .* nosuperuser"),
    ],
    ids=["member", "superuser"],
)
def test_what_the_owner_may_not_take_from_a_role_is_refused_with_the_remedy(town: Town, made: str, remedy: str) -> None:
    migrate(town.url_of(OWNER), town.schema, roles=True)
    before = rights(town)
    town.run(SUPERUSER, made)
    # Before PostgreSQL 16 CREATEROLE is enough to end any membership.
    if "grant" in made and town.rows("select current_setting('server_version_num')::int < 160000") == [(True,)]:
        town.run(SUPERUSER, "alter role {owner} nocreaterole")
    with pytest.raises(ConfigurationError, match=f"may do more than its part, and {town.role(OWNER)} .*run: {remedy}") as refused:
        migrate(town.url_of(OWNER), town.schema, roles=True)
    town.run(SUPERUSER, str(refused.value).partition("run: ")[2])
    assert not migrate(town.url_of(OWNER), town.schema, roles=True)
    assert rights(town) == before
