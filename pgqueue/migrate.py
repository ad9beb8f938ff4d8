"""Installing and upgrading: Alembic, under one lock and in one transaction, so that concurrent first starts are safe."""

from pathlib import Path
from typing import Any

import psycopg
from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from psycopg.sql import SQL, Identifier, Literal
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from .config import connection_url, load_settings
from .database.connection import OwnConnection, open_connection
from .database.settle import SAFE_PATH
from .database.translate import translate
from .errors import ConfigurationError

# Two first installs at once: the second waits for the first, and then the schema is there.
MAKE = """begin
    execute pg_catalog.format('create schema if not exists %I', {0}::pg_catalog.text);
exception when unique_violation then null;
end"""
# One migration of a schema at a time. COMMENT locks the schema until the transaction ends, and only its owner can. Advisory locks
# can be taken by whoever may connect, and before the first install there is no table to lock. The comment stays as it is.
LOCK = """begin
    execute pg_catalog.format('comment on schema %I is %L', {0}::pg_catalog.text, (
        select pg_catalog.obj_description(oid, 'pg_namespace') from pg_catalog.pg_namespace
         where nspname operator(pg_catalog.=) {0}::pg_catalog.text));
end"""
STATEMENT_WITHIN = 600.0  # seconds for a statement of a migration, and for the wait for another migration


def resource(name: str) -> Path:
    """The directory `sql` or `migrations`: inside the package if it is installed, beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def install_files() -> list[Path]:
    """The SQL files in the order in which they are applied."""
    sql = resource("sql")
    tables, functions = sorted((sql / "tables").glob("*.sql")), sorted((sql / "functions").glob("*/*.sql"))
    return [sql / "types.sql", *tables, *functions, sql / "triggers.sql", sql / "views.sql", sql / "privileges.sql"]


def migrate(url: str, schema: str = "pgqueue", roles: bool = False) -> bool:
    """Upgrade a schema to this version; creates the schema if it does not exist.

    Args:
        url: the URL of the database; its user becomes the owner of everything.
        schema: the schema to install in.
        roles: also create or update the roles of sql/roles.sql; the user needs CREATEROLE unless they exist.

    Returns:
        Whether the schema was changed; False if it was up to date.

    Raises:
        ConfigurationError: the user may not make the roles; nothing was applied.
        InvalidArgument: the schema's name is too long for roles; nothing was applied.
    """
    with _engine(url).begin() as connection:
        _enter(connection, schema)
        before = _version(connection, schema)
        config = Config()
        config.set_main_option("script_location", str(resource("migrations")))
        config.set_main_option("path_separator", "os")
        config.attributes.update(connection=connection, schema=schema)
        command.upgrade(config, "head")
        connection.execute(text("select maintain()"))
        if roles:
            _make_roles(connection, schema)
        return _version(connection, schema) != before


def run_alembic() -> None:
    """Run the command of `alembic` on the database and the schema of the settings; with --sql no database is needed.

    Raises:
        ConfigurationError: a setting is invalid, or no database is set.
    """
    settings = load_settings()
    schema = settings.schema_name
    if context.is_offline_mode():
        configure(schema, dialect_name="postgresql", dialect_opts={"paramstyle": "named"})  # otherwise each % is doubled
        _run(schema)
    else:
        with _engine(connection_url(settings)).connect() as connection:
            configure(schema, connection=connection)
            _run(schema)


def configure(schema: str, **target: Any) -> None:
    """Set where Alembic stores the version of a schema. `target`: a connection, or the name of a dialect."""
    context.configure(version_table="schema_version", version_table_schema=schema, transaction_per_migration=False, **target)


def execute(migration: MigrationContext, statements: str) -> None:
    """Run SQL unchanged, or write it to the output of Alembic (--sql)."""
    if migration.as_sql:
        migration.impl.static_output(statements.rstrip())
    else:
        assert migration.connection is not None
        driver = migration.connection.connection.driver_connection
        assert driver is not None
        driver.execute(statements)


def _run(schema: str) -> None:
    """Run the steps in one transaction, then the additions of `migrate`. Commands that only read change nothing."""
    migration = context.get_context()
    steps: list[Any] = []
    migration.on_version_apply_callbacks += (lambda *, step, **_: steps.append(step),)
    with context.begin_transaction():
        if context.is_offline_mode():
            execute(migration, "set transaction isolation level read committed, read write;")
            execute(migration, "set local client_encoding = 'UTF8';")
        if not migration.opts.get("dont_mutate"):
            for statement in _entering(schema):
                execute(migration, f"{statement};")
        context.run_migrations()
        if any(step.is_upgrade and not step.is_stamp for step in steps):
            execute(migration, "select maintain();")


def _engine(url: str) -> Engine:
    engine = create_engine("postgresql+psycopg://", creator=lambda: _open(url), poolclass=NullPool, use_native_hstore=False)
    # Statements of SQLAlchemy and Alembic name no schemas of functions and operators.
    event.listen(engine, "begin", lambda connection: _driver(connection).execute(SAFE_PATH))
    return engine


def _open(url: str) -> OwnConnection:
    connection = open_connection(url, "pgqueue migrate")
    connection.autocommit = False
    connection.execute(SAFE_PATH)  # until SQLAlchemy rolls back; its first call is current_schema()
    connection.deadline = STATEMENT_WITHIN
    return connection


def _driver(connection: Connection) -> OwnConnection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, OwnConnection)
    return driver


def _enter(connection: Connection, schema: str) -> None:
    driver = _driver(connection)
    for statement in _entering(schema):
        driver.execute(statement)


def _entering(schema: str) -> list[str]:
    """Wait for other migrations of this schema, create it, and put it on the search_path until the transaction ends."""
    name, path = Literal(schema), Literal(f"{Identifier(schema).as_string()}, pg_temp")
    return [
        *(f"set local {name} = 0" for name in ("statement_timeout", "idle_in_transaction_session_timeout")),
        *(SQL("do {}").format(SQL(block).format(name).as_string()).as_string() for block in (MAKE, LOCK)),
        SQL("select pg_catalog.set_config('search_path', {}, true)").format(path).as_string(),
        "set local check_function_bodies = off",  # some files call functions of later files
    ]


def _make_roles(connection: Connection, schema: str) -> None:
    driver = _driver(connection)
    try:
        driver.execute((resource("sql") / "roles.sql").read_text(encoding="utf-8"))
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(error.diag.message_primary) from error
    except psycopg.Error as error:
        raise translate(error, schema) from error


def _version(connection: Connection, schema: str) -> str | None:
    migration = MigrationContext.configure(connection, opts={"version_table": "schema_version", "version_table_schema": schema})
    return migration.get_current_revision()
