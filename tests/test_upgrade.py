"""pgqueue.migrate.upgrade: in a transaction of the application, whatever its driver; and as SQL in a revision's output."""

import asyncio
import io
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy.ext import asyncio as aio

from pgqueue.errors import ConfigurationError, InvalidArgument, WrongConnection
from pgqueue.migrate import include_name, include_object, migrate, upgrade, write_sql
from tests.test_alembic import partitions, psql
from tests.test_migrate import app_on, catalog

ENV = """
import io
from alembic import context
from sqlalchemy import NullPool, create_engine

given = context.config.attributes
if context.is_offline_mode():
    context.configure(dialect_name="postgresql", output_buffer=given["output"])
    with context.begin_transaction():
        context.run_migrations()
else:
    context.configure(connection=given["connection"])
    context.run_migrations()
"""
REVISION = """
from alembic import op
from pgqueue.migrate import migrate, upgrade as upgrade_pgqueue

revision, down_revision = {revision!r}, {before!r}

def upgrade():
    {code}
"""


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(empty_database_url), poolclass=sa.NullPool)
    yield engine
    engine.dispose()


@pytest.fixture
def revisions(tmp_path: Path) -> Callable[..., Config]:
    """Makes the Alembic of an application, of one revision for each code."""

    def revisions(*codes: str, **attributes: Any) -> Config:
        (tmp_path / "versions").mkdir()
        (tmp_path / "env.py").write_text(ENV)
        for number, code in enumerate(codes):
            before = f"r{number - 1}" if number else None
            (tmp_path / "versions" / f"r{number}.py").write_text(REVISION.format(revision=f"r{number}", before=before, code=code))
        config = Config()
        config.set_main_option("script_location", str(tmp_path))
        config.set_main_option("path_separator", "os")
        config.attributes.update(attributes)
        return config

    return revisions


def schemas(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("select nspname from pg_namespace where nspname !~ '^pg_|^information|^public' order by 1")
        return [name for (name,) in rows]


SETTINGS = (
    "select current_setting('search_path'), current_setting('check_function_bodies'), current_setting('statement_timeout'), "
    "current_setting('idle_in_transaction_session_timeout'), current_setting('client_encoding')"
)


def test_it_takes_part_in_the_transaction_and_leaves_its_settings(engine: sa.Engine, empty_database_url: str) -> None:
    with engine.connect() as connection:
        for statement in ("create schema shop", "set local search_path to shop, public", "set local statement_timeout = '7s'"):
            connection.exec_driver_sql(statement)
        before = connection.exec_driver_sql(SETTINGS).one()
        assert upgrade(connection)
        assert connection.exec_driver_sql(SETTINGS).one() == before
        assert not upgrade(connection), "the second time"
        assert connection.exec_driver_sql(SETTINGS).one() == before
        connection.exec_driver_sql("create table orders (id int)")
        assert schemas(empty_database_url) == [], "nothing is committed"
        connection.commit()
        assert connection.exec_driver_sql("select 'shop.orders'::regclass::text, current_setting('search_path')").one() == (
            "shop.orders", '"$user", public',
        )  # fmt: skip
    assert schemas(empty_database_url) == ["pgqueue", "shop"]
    assert_as_migrate(empty_database_url)


def test_it_vanishes_with_the_transaction(engine: sa.Engine, empty_database_url: str) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("create table orders (id int)")
        savepoint = connection.begin_nested()
        upgrade(connection, "one")
        savepoint.rollback()
        upgrade(connection, "two")
        connection.rollback()
    assert schemas(empty_database_url) == []


def test_two_installs_are_made_in_one_transaction(engine: sa.Engine, empty_database_url: str) -> None:
    with engine.begin() as connection:
        assert upgrade(connection, "one")
        assert upgrade(connection, 'quo"te 100%')
    for schema in ("one", 'quo"te 100%'):
        with app_on(empty_database_url, schema) as app:
            assert app.tasks["send"].enqueue(to=1).status == "ready"


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_it_runs_on_the_connections_of_async_engines(empty_database_url: str, driver: str) -> None:
    async def run() -> tuple[bool, list[str], str]:
        parts = conninfo_to_dict(empty_database_url)
        parts["database" if driver == "asyncpg" else "dbname"] = parts.pop("dbname")
        engine = aio.create_async_engine(f"postgresql+{driver}://", connect_args=parts, poolclass=sa.NullPool)
        try:
            async with engine.connect() as connection:
                await connection.run_sync(upgrade)
            gone = schemas(empty_database_url)
            async with engine.begin() as connection:
                changed = await connection.run_sync(partial(upgrade, schema="pgqueue"))
                path = (await connection.exec_driver_sql("show search_path")).scalar_one()
            with pytest.raises(WrongConnection, match="run_sync"):
                upgrade(connection)  # type: ignore[arg-type]
            return changed, gone, path
        finally:
            await engine.dispose()

    assert asyncio.run(run()) == (True, [], '"$user", public')
    assert not migrate(empty_database_url)


@pytest.mark.parametrize("driver", ["psycopg2", "pg8000"])
def test_it_runs_over_other_drivers(empty_database_url: str, driver: str) -> None:
    """Drivers that are no psycopg 3."""
    parts = conninfo_to_dict(empty_database_url)
    if driver == "pg8000":
        parts = {"user": parts["user"], "database": parts["dbname"], "unix_sock": f"{parts['host']}/.s.PGSQL.5432"}
    engine = sa.create_engine(f"postgresql+{driver}://", connect_args=parts, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("set default_transaction_isolation to 'repeatable read'")
        connection.commit()
        with pytest.raises(ConfigurationError, match="isolation level"):
            upgrade(connection)
        connection.rollback()
        connection.exec_driver_sql("set default_transaction_isolation to 'read committed'")
        connection.commit()
        assert upgrade(connection, "100%")
        assert schemas(empty_database_url) == []
        connection.commit()
    assert not migrate(empty_database_url, "100%")


def assert_as_migrate(url: str, schema: str = "pgqueue") -> None:
    """What was made is what migrate makes, and it finds nothing left to do."""
    assert not migrate(url, schema)
    made = catalog(url, schema), partitions(url, schema)
    with psycopg.connect(url) as connection:
        connection.execute(f"drop schema {schema} cascade".encode())
    migrate(url, schema)
    assert made == (catalog(url, schema), partitions(url, schema))


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ("set transaction isolation level repeatable read", "isolation level .* is repeatable read"),
        ("set transaction read only", "its transaction is read-only"),
    ],
)
def test_a_transaction_that_does_not_fit_is_refused(
    engine: sa.Engine, empty_database_url: str, before: str, message: str
) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(before)
        with pytest.raises(ConfigurationError, match=f"connection: .*{message}"):
            upgrade(connection)
        connection.commit()
    assert schemas(empty_database_url) == []


def test_an_aborted_transaction_is_refused_in_one_line(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        with pytest.raises(sa.exc.DBAPIError):
            connection.exec_driver_sql("select 1 / 0")
        with pytest.raises(ConfigurationError, match=r"^connection: an earlier statement of this transaction has failed[^\n]*$"):
            upgrade(connection)


def test_without_a_transaction_nothing_is_made(engine: sa.Engine, empty_database_url: str) -> None:
    with (
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        pytest.raises(ConfigurationError, match="autocommit"),
    ):
        upgrade(connection)
    assert schemas(empty_database_url) == []


def test_what_is_no_connection_is_refused(engine: sa.Engine) -> None:
    given: Any
    for given in (engine, "postgresql://", object()):
        with pytest.raises(WrongConnection, match=r"^connection: .* cannot be used; give a Connection of SQLAlchemy"):
            upgrade(given)
    with sa.create_engine("sqlite://").connect() as other, pytest.raises(WrongConnection, match="sqlite; pgqueue needs"):
        upgrade(other)
    with pytest.raises(WrongConnection, match="there is none"):
        upgrade(None)
    with engine.connect() as connection, pytest.raises(ConfigurationError, match=r"schema: 'pg_jobs' is not valid"):
        upgrade(connection, "pg_jobs")
    with engine.connect() as connection, pytest.raises(InvalidArgument, match="at most 54 bytes"):
        upgrade(connection, "x" * 55, roles=True)


def test_a_newer_pgqueue_is_left_alone(engine: sa.Engine, empty_database_url: str) -> None:
    migrate(empty_database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("update pgqueue.schema_version set version_num = '0999'")
    with engine.connect() as connection:
        before = connection.exec_driver_sql(SETTINGS).one()
        with pytest.raises(ConfigurationError, match="'0999' is of a newer pgqueue"):
            upgrade(connection)
        assert connection.exec_driver_sql(SETTINGS).one() == before, "the transaction can go on"
    with pytest.raises(ConfigurationError, match="'0999' is of a newer pgqueue"):
        migrate(empty_database_url)


def test_a_revision_that_goes_on_after_it_uses_its_own_alembic(
    engine: sa.Engine, empty_database_url: str, revisions: Callable[..., Config]
) -> None:
    """The globals of Alembic, which the application uses, are as before."""
    codes = ["upgrade_pgqueue(op.get_bind()); op.execute('create table orders (id int)')", "upgrade_pgqueue(op.get_bind())"]
    with engine.begin() as connection:
        command.upgrade(revisions(*codes, connection=connection), "head")
        assert schemas(empty_database_url) == []
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select version_num from alembic_version").scalar_one() == "r1"
        assert connection.exec_driver_sql("select count(*) from orders").scalar_one() == 0
    assert not migrate(empty_database_url)


def test_a_revision_that_fails_leaves_no_pgqueue(
    engine: sa.Engine, empty_database_url: str, revisions: Callable[..., Config]
) -> None:
    config = revisions("upgrade_pgqueue(op.get_bind())", "1 / 0")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(ZeroDivisionError), connection.begin():
            command.upgrade(config, "head")
    assert schemas(empty_database_url) == []


def test_migrate_inside_a_revision_is_refused_before_anything_is_done(
    engine: sa.Engine, empty_database_url: str, revisions: Callable[..., Config]
) -> None:
    use = r"use pgqueue\.migrate\.upgrade\(op\.get_bind\(\)\)"
    with engine.begin() as connection, pytest.raises(ConfigurationError, match=use):
        command.upgrade(revisions(f"migrate({empty_database_url!r})", connection=connection), "head")
    assert schemas(empty_database_url) == []
    assert migrate(empty_database_url)


def test_migrate_in_env_py_may_come_before_the_revisions(
    engine: sa.Engine, empty_database_url: str, revisions: Callable[..., Config], tmp_path: Path
) -> None:
    """Also after a revision that has failed in the same process, whose context stays behind."""
    config = revisions("1 / 0")
    for _ in range(2):
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            with pytest.raises(ZeroDivisionError), connection.begin():
                command.upgrade(config, "head")
        also = f"    from pgqueue.migrate import migrate\n    migrate({empty_database_url!r})\n    context.run_migrations()\n"
        (tmp_path / "env.py").write_text(ENV.removesuffix("    context.run_migrations()\n") + also)
    assert schemas(empty_database_url) == ["pgqueue"]


def test_the_sql_of_an_application_installs_once_and_leaves_its_settings(
    empty_database_url: str, revisions: Callable[..., Config], tmp_path: Path
) -> None:
    """Two revisions call it, and the application's own statements come after it."""
    codes = ["upgrade_pgqueue(op.get_bind()); op.execute('create table orders (id int)')"]
    codes += ["upgrade_pgqueue(op.get_bind()); op.execute('create table stock (id int)')"]
    output = io.StringIO()
    command.upgrade(revisions(*codes, output=output), "head", sql=True)
    (tmp_path / "all.sql").write_text(output.getvalue(), encoding="utf-8")
    psql(empty_database_url, tmp_path / "all.sql")
    with psycopg.connect(empty_database_url) as connection:
        made = "select to_regclass('public.orders') is not null and to_regclass('public.stock') is not null"
        assert connection.execute(made).fetchone() == (True,)
    assert_as_migrate(empty_database_url)


@pytest.mark.parametrize(("since", "said"), [(None, "pgqueue has version 0001.*a first install.*since 0001"), ("0001", None)])
def test_sql_for_another_version_changes_nothing(empty_database_url: str, since: str | None, said: str | None) -> None:
    migrate(empty_database_url)
    before = catalog(empty_database_url, "pgqueue")
    assert_applied(empty_database_url, since, said)
    assert catalog(empty_database_url, "pgqueue") == before


def test_sql_for_an_install_is_refused_where_there_is_none(empty_database_url: str) -> None:
    assert_applied(empty_database_url, "0001", "pgqueue has no pgqueue.*written for version 0001")
    assert schemas(empty_database_url) == []
    with pytest.raises(ConfigurationError, match="'9' is of a newer pgqueue"):
        write_sql(io.StringIO(), since="9")


def assert_applied(url: str, since: str | None, said: str | None) -> None:
    output = io.StringIO()
    write_sql(output, since=since)
    with psycopg.connect(url, autocommit=True) as connection, _raises(said):
        connection.execute(output.getvalue().encode())


@contextmanager
def _raises(said: str | None) -> Iterator[None]:
    if said is None:
        yield
    else:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=said):
            yield


MODELS = sa.MetaData()
sa.Table("orders", MODELS, sa.Column("id", sa.Integer, primary_key=True))


def proposed(engine: sa.Engine, **options: Any) -> set[tuple[str, str | None, str]]:
    """What autogenerate would do to tables."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_schemas": True, "target_metadata": MODELS, **options})
        found = compare_metadata(context, MODELS)
    return {(one[0], one[1].schema, one[1].name) for one in found if "table" in one[0]}


@pytest.mark.parametrize("schema", ["pgqueue", "public"])
@pytest.mark.filterwarnings("ignore:Did not recognize type")
def test_autogenerate_leaves_pgqueue_alone_and_sees_all_else(engine: sa.Engine, empty_database_url: str, schema: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("revoke create on schema public from public; alter schema public owner to current_user")
        upgrade(connection, schema)
        connection.exec_driver_sql(
            "create table public.left_behind (id int); create schema other; create table other.job (id int)"
        )
    mine = {("add_table", None, "orders"), ("remove_table", None, "left_behind"), ("remove_table", "other", "job")}
    if schema == "public":
        assert mine | {("remove_table", None, "job"), ("remove_table", None, "schema_version")} < proposed(engine)
    own = partial(include_object, schema=schema)
    assert proposed(engine, include_name=partial(include_name, schema=schema)) == mine
    composed = proposed(engine, include_object=lambda *given: own(*given) and given[1] != "left_behind")
    assert composed == mine - {("remove_table", None, "left_behind")}


def test_what_autogenerate_leaves_alone_is_all_that_is_made(empty_database_url: str) -> None:
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        rows = connection.execute(
            "select relname from pg_class where relnamespace = 'pgqueue'::regnamespace and relkind in ('r', 'p')"
        )
        tables = [name for (name,) in rows]
    assert [name for name in tables if include_name(name, "table", {"schema_name": "pgqueue"})] == []
    assert include_name("orders", "table", {"schema_name": "pgqueue"})
    assert include_name("job", "table", {"schema_name": "shop"})
    assert include_name("job", "index", {"schema_name": "pgqueue", "table_name": "job"})


def test_a_database_of_another_encoding_is_refused_also_by_a_revision_and_by_sql(server_url: str, tmp_path: Path) -> None:
    """It would take the tables, and refuse the first text that it has no letters for."""
    name = "pgqueue_test_latin_upgrade"
    url = make_conninfo(server_url, dbname=name)
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f"create database {name} encoding 'LATIN1' locale 'C' template template0")
        try:
            engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=sa.NullPool)
            with engine.connect() as connection, pytest.raises(ConfigurationError, match=f"{name} has the encoding LATIN1, "):
                upgrade(connection)
            with open(tmp_path / "all.sql", "w", encoding="utf-8") as output:
                write_sql(output)
            ran = subprocess.run(
                ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", tmp_path / "all.sql", url], capture_output=True, text=True
            )
            assert ran.returncode
            assert f"{name} has the encoding LATIN1, which cannot store every text" in ran.stderr
        finally:
            server.execute(f"drop database {name} with (force)")
