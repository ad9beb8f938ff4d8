"""Migrations: any schema, any number of times, by many at once; and what they make is what sql/ says."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgqueue import PgQueue
from pgqueue.errors import ConfigurationError
from pgqueue.migrate import migrate
from pgqueue.migrate.files import install_files
from pgqueue.migrate.own import own_engine
from pgqueue.migrate.statements import entering
from pgqueue.migrate.steps import execute_each, on_connection

NAMES = [
    "pgqueue",
    "Capitals",
    "with space",
    'quo"te',
    "o'clock",
    "100%",
    "{braces}",
    "$dollar$",
    "büro-日本",
    "select",
    "x" * 63,
]


@contextmanager
def app_on(url: str, schema: str) -> Iterator[PgQueue]:
    app = PgQueue(url, schema=schema)
    app.task(send)
    yield app
    app.close()


def send(to: int) -> None: ...


@pytest.mark.parametrize("schema", NAMES)
def test_any_name_is_a_good_schema(empty_database_url: str, schema: str) -> None:
    assert migrate(empty_database_url, schema)

    with app_on(empty_database_url, schema) as app:
        job = app.tasks["send"].enqueue(to=1)
        assert job.status == "ready"
        app.cancel(job.id)
        assert job.refresh().status == "cancelled"


@pytest.mark.parametrize("schema", ["$user", "pg_queue", "x" * 64, "ü" * 32])
def test_names_that_postgresql_cannot_use_are_refused(schema: str) -> None:
    with pytest.raises(ConfigurationError, match="is not valid"):
        PgQueue("postgresql://", schema=schema)


@pytest.mark.parametrize("schema", NAMES)
def test_a_second_time_changes_nothing(empty_database_url: str, schema: str) -> None:
    migrate(empty_database_url, schema)
    with app_on(empty_database_url, schema) as app:
        job = app.tasks["send"].enqueue(to=1)
        before = catalog(empty_database_url, schema)

        assert not migrate(empty_database_url, schema)

        assert catalog(empty_database_url, schema) == before
        assert job.refresh().status == "ready"


@pytest.mark.parametrize("is_there", [False, True])
def test_concurrent_first_starts_are_safe(empty_database_url: str, is_there: bool) -> None:
    if is_there:
        with psycopg.connect(empty_database_url) as connection:
            connection.execute("create schema pgqueue")
    start, changed, failed = threading.Barrier(8), [], []

    def migrate_too() -> None:
        start.wait()
        try:
            changed.append(migrate(empty_database_url))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=migrate_too) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert sorted(changed) == [False] * 7 + [True]


def test_two_installs_in_one_database_do_not_see_each_other(empty_database_url: str) -> None:
    migrate(empty_database_url, "one")
    migrate(empty_database_url, "two")

    with app_on(empty_database_url, "one") as one, app_on(empty_database_url, "two") as two:
        job = one.tasks["send"].enqueue(to=1)
        with psycopg.connect(empty_database_url) as connection:
            count = [connection.execute(f"select count(*) from {name}.jobs").fetchone() for name in ("one", "two")]
            channels = [connection.execute(f"select {name}.channel()").fetchone() for name in ("one", "two")]
        assert count == [(1,), (0,)]
        assert channels[0] != channels[1]
        assert two.job(two.tasks["send"].enqueue(to=2).id).row["args"] == {"to": 2}
        assert one.job(job.id).row["args"] == {"to": 1}


def test_one_install_may_go_without_hurting_the_other(empty_database_url: str) -> None:
    migrate(empty_database_url, "one")
    migrate(empty_database_url, "two")
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("drop schema one cascade")

    with app_on(empty_database_url, "two") as two:
        assert two.tasks["send"].enqueue(to=1).status == "ready"


def test_a_migration_that_fails_leaves_nothing(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.migrate.steps.leaving", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("select 1 from pg_namespace where nspname = 'pgqueue'").fetchone() is None


def test_all_migrations_make_what_the_sql_files_say(empty_database_url: str) -> None:
    migrate(empty_database_url, "migrated")
    apply_files(empty_database_url, "applied")
    migrated, applied = catalog(empty_database_url, "migrated"), catalog(empty_database_url, "applied")
    assert len(applied) > 100
    assert migrated - applied == set()
    assert applied - migrated == set()


def apply_files(url: str, schema: str) -> None:
    """sql/ as it stands, without Alembic."""
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("set local search_path to {}, pg_temp").format(sql.Identifier(schema)))
        connection.execute("set local check_function_bodies = off")
        for file in install_files():
            connection.execute(file.read_text(encoding="utf-8"))


def catalog(url: str, schema: str) -> set[tuple[Any, ...]]:
    """Everything in a schema but the migrations' own table and the partitions made over time."""
    with psycopg.connect(url) as connection:
        connection.execute("set search_path to pg_catalog")
        rows = connection.execute(CATALOG, {"schema": schema}).fetchall()
    return {tuple(text.replace(schema, "<schema>") if isinstance(text, str) else text for text in row) for row in rows}


CATALOG = """
with ours as (
    select c.oid, c.relname, c.relkind, c.reloptions from pg_class c
     where c.relnamespace = (select oid from pg_namespace where nspname = %(schema)s)
       and c.relname !~ '^(schema_version|job_history_(default|p?[0-9])|job_history_.*_(key|idx|pkey)$)'
)
select 'relation', relname::text, relkind::text, reloptions::text from ours
union all
select 'column', r.relname, a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
       pg_get_expr(d.adbin, d.adrelid))
  from ours r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped and r.relkind in ('r', 'p', 'v')
  left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
union all
select 'constraint', r.relname, c.conname, pg_get_constraintdef(c.oid) from ours r join pg_constraint c on c.conrelid = r.oid
union all
select 'index', r.relname, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
  from ours r join pg_index i on i.indrelid = r.oid
union all
select 'view', relname, '', pg_get_viewdef(oid) from ours where relkind = 'v'
union all
select 'function', p.proname, p.proacl::text, pg_get_functiondef(p.oid) from pg_proc p
 where p.pronamespace = (select oid from pg_namespace where nspname = %(schema)s)
union all
select 'enum', t.typname, e.enumlabel, e.enumsortorder::text from pg_type t join pg_enum e on e.enumtypid = t.oid
 where t.typnamespace = (select oid from pg_namespace where nspname = %(schema)s)
"""


def test_the_comment_of_a_schema_stays(empty_database_url: str) -> None:
    """A migration locks the schema by a comment on it."""
    look = "select obj_description('pgqueue'::regnamespace)"
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        migrate(empty_database_url)
        assert connection.execute(look).fetchone() == (None,)
        connection.execute("comment on schema pgqueue is 'Jobs; it''s 100% $$ours$$'")
        migrate(empty_database_url)
        assert connection.execute(look).fetchone() == ("Jobs; it's 100% $$ours$$",)


def test_a_migration_waits_for_one_that_is_going_on(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the schema was there before the first install, so that making it stops nobody."""
    monkeypatch.setattr("pgqueue.migrate.own.STATEMENT_WITHIN", 0.3)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("create schema pgqueue")
    with own_engine(empty_database_url).begin() as going_on:
        execute_each(on_connection(going_on, "pgqueue"), entering("pgqueue"))
        with pytest.raises(Exception, match="no answer within"):
            migrate(empty_database_url)
    assert migrate(empty_database_url)
