"""Installing and upgrading: Alembic, under one lock and in one transaction, so that concurrent first starts are safe."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from psycopg.sql import SQL, Identifier, Literal
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from .config import connection_url, load_settings
from .database.connection import OwnConnection, open_connection
from .database.settle import SAFE_PATH
from .database.translate import translate
from .errors import ConfigurationError

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
        ConfigurationError: somebody else owns the schema or an object in it, or may create there; it holds other things than
            pgqueue; or the user may not make the schema or the roles. Nothing was applied.
        InvalidArgument: the schema's name is too long for roles; nothing was applied.
        psycopg.OperationalError: the server cannot be reached, or the connection was cut.
    """
    with _errors_of_psycopg(), _engine(url).begin() as connection:
        _enter(connection, schema, roles)
        before = _version(connection, schema)
        config = Config()
        config.set_main_option("script_location", str(resource("migrations")))
        config.set_main_option("path_separator", "os")
        config.attributes.update(connection=connection, schema=schema)
        command.upgrade(config, "head")
        connection.execute(text("select maintain()"))
        if roles:
            _make_roles(connection, schema)
        changed = _version(connection, schema) != before
        _run_all(connection, _checking(schema))
        return changed


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
        with _errors_of_psycopg(), _engine(connection_url(settings)).connect() as connection:
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
    with _refusals():
        _run_steps(schema)


def _run_steps(schema: str) -> None:
    migration = context.get_context()
    steps: list[Any] = []
    migration.on_version_apply_callbacks += (lambda *, step, **_: steps.append(step),)
    with context.begin_transaction():
        if context.is_offline_mode():
            execute(migration, "set transaction isolation level read committed, read write;")
            execute(migration, "set local client_encoding = 'UTF8';")
        is_change = not migration.opts.get("dont_mutate")
        for statement in _entering(schema) if is_change else [] if context.is_offline_mode() else _checking(schema):
            execute(migration, f"{statement};")
        context.run_migrations()
        if any(step.is_upgrade and not step.is_stamp for step in steps):
            execute(migration, "select maintain();")
        if is_change:
            for statement in _checking(schema):
                execute(migration, f"{statement};")


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


def _enter(connection: Connection, schema: str, roles: bool = False) -> None:
    _run_all(connection, _entering(schema, roles))


def _run_all(connection: Connection, statements: list[str]) -> None:
    driver = _driver(connection)
    with _refusals():
        for statement in statements:
            driver.execute(statement)


def _entering(schema: str, roles: bool = False) -> list[str]:
    """Create the schema, wait for other migrations of it, check it, and put it on the search_path until the transaction ends."""
    path = Literal(f"{Identifier(schema).as_string()}, pg_temp")
    return [
        *(f"set local {name} = 0" for name in ("statement_timeout", "idle_in_transaction_session_timeout")),
        *_on(schema, roles),
        _file("make_schema.sql"),
        _file("check_schema.sql"),
        SQL("select set_config('search_path', {}, true)").format(path).as_string(),
        "set local check_function_bodies = off",  # some files call functions of later files
    ]


def _checking(schema: str) -> list[str]:
    """Refuse a schema that others could use for an attack; leaves pg_catalog on the search_path."""
    return [*_on(schema), _file("check_schema.sql")]


def _on(schema: str, roles: bool = False) -> list[str]:
    """What the files make_schema.sql and check_schema.sql read, and the search_path that they need."""
    settings = "select set_config('pgqueue.schema', {}, true), set_config('pgqueue.roles', {}, true)"
    return [SAFE_PATH.decode(), SQL(settings).format(Literal(schema), Literal("on" if roles else "off")).as_string()]


def _file(name: str) -> str:
    """The one statement of a file."""
    return (resource("sql") / name).read_text(encoding="utf-8").rstrip().removesuffix(";")


@contextmanager
def _errors_of_psycopg() -> Iterator[None]:
    """Without what SQLAlchemy puts around them: its own text, the statement and its parameters."""
    try:
        yield
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error):
            raise
        error.__cause__ = error.__context__ = None  # else what the two came from goes round in a circle
        raise error.orig from None


@contextmanager
def _refusals() -> Iterator[None]:
    """What a migration refuses, and what the user may not do, as ConfigurationError."""
    try:
        yield
    except (psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.InsufficientPrivilege) as error:
        raise ConfigurationError(error.diag.message_primary) from error


def _make_roles(connection: Connection, schema: str) -> None:
    driver = _driver(connection)
    try:
        with _refusals():
            driver.execute(_file("roles.sql"))
    except psycopg.Error as error:
        raise translate(error, schema) from error


def _version(connection: Connection, schema: str) -> str | None:
    migration = MigrationContext.configure(connection, opts={"version_table": "schema_version", "version_table_schema": schema})
    return migration.get_current_revision()
