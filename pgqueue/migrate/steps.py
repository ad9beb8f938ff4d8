"""The steps of a migration on a connection, or as SQL. They use none of Alembic's globals, which the application may use."""

from contextlib import closing
from functools import partial
from typing import Any, TextIO

import psycopg
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from ..database.files import resource
from ..errors import ConfigurationError
from .files import statement
from .statements import checking, entering, expecting, leaving, written, written_out

VERSION_TABLE = "schema_version"


def on_connection(connection: Connection, schema: str) -> MigrationContext:
    """A context for the steps of a schema that runs them."""
    return MigrationContext.configure(connection, opts=_options(schema))


def on_output(output: TextIO, schema: str, since: str | None) -> MigrationContext:
    """A context that writes the steps after the version `since`. None: all of them."""
    options = _options(schema) | {"as_sql": True, "output_buffer": output, "starting_rev": since}
    plain = {"paramstyle": "named"}  # otherwise each % is doubled
    return MigrationContext.configure(dialect_name="postgresql", dialect_opts=plain, opts=options)


def head() -> str:
    """The version that the steps lead to."""
    newest = _scripts().get_current_head()
    assert newest is not None
    return newest


def known(version: str | None) -> None:
    """Raise ConfigurationError if this package has no such version. None: no pgqueue, which is one."""
    try:
        _scripts().get_revisions(version or ())
    except CommandError:
        raise ConfigurationError(
            f"schema: version {version!r} is of a newer pgqueue than this one, whose last is {head()!r}; upgrade this package"
        ) from None


def execute(migration: MigrationContext, statements: str) -> None:
    """Run SQL unchanged, or write it."""
    if migration.as_sql:
        migration.impl.static_output(statements.rstrip())
    else:
        assert migration.connection is not None
        _run(migration.connection, statements)


def execute_each(migration: MigrationContext, statements: list[str]) -> None:
    """Run or write statements that have no semicolon at their end."""
    for one in statements:
        execute(migration, f"{one};")


def bring_up(migration: MigrationContext, schema: str, roles: bool, since: str | None = None) -> bool:
    """Run or write everything, in a transaction of the caller's; its settings are as before. Returns whether the version changed.

    `since` is the version from which SQL is written.
    """
    execute_each(migration, [*(written() if migration.as_sql else []), *entering(schema, roles)])
    if migration.as_sql:
        execute_each(migration, expecting(since))
        before = since
    else:
        before = migration.get_current_revision()
        try:
            known(before)
        except ConfigurationError:  # of ours: the transaction goes on
            execute_each(migration, leaving())
            raise
    migration.run_migrations(execute=partial(execute, migration))
    execute(migration, "select maintain();")
    if roles:
        execute_each(migration, [statement("roles.sql")])
    execute_each(migration, [*checking(schema), *leaving(), *(written_out() if migration.as_sql else [])])
    return before != head()


def _run(connection: Connection, statements: str) -> None:
    """As one simple query of the driver, which may hold several statements, with nothing in it read as a parameter."""
    adapted, driver = connection.connection.dbapi_connection, connection.connection.driver_connection
    assert adapted is not None
    if isinstance(driver, psycopg.Connection):
        driver.execute(statements.encode(), prepare=False)
    elif isinstance(driver, psycopg.AsyncConnection):
        adapted.run_async(lambda there: there.execute(statements.encode(), prepare=False))
    elif hasattr(adapted, "run_async"):
        adapted.run_async(lambda there: there.execute(statements))
    else:
        with closing(adapted.cursor()) as cursor:
            cursor.execute(statements)


def _options(schema: str) -> dict[str, Any]:
    scripts = _scripts()
    return {
        "version_table": VERSION_TABLE,
        "version_table_schema": schema,
        "script": scripts,
        "fn": lambda there, _: scripts._upgrade_revs("head", there),
    }


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(resource("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)
