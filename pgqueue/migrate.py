"""Installing and upgrading: Alembic, under one lock and in one transaction, so that concurrent first starts are safe."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from .database.translate import translate
from .errors import ConfigurationError


def resource(name: str) -> Path:
    """The directory `sql` or `migrations`: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def install_files() -> list[Path]:
    """The SQL files in the order in which they are applied."""
    sql = resource("sql")
    functions = sorted((sql / "functions").glob("*.sql"))
    return [sql / "types.sql", sql / "tables.sql", *functions, sql / "triggers.sql", sql / "views.sql", sql / "privileges.sql"]


def migrate(url: str, schema: str = "pgqueue", roles: bool = False) -> bool:
    """Bring a schema up to this version; creates it when it is not there.

    Args:
        url: of the database; its user becomes the owner of everything.
        schema: where to install.
        roles: make the roles of sql/roles.sql too, or bring them up to date; the user needs CREATEROLE unless they are there.

    Returns:
        Whether the schema was changed; False when it was up to date.

    Raises:
        ConfigurationError: the user may not make the roles; nothing was applied.
        InvalidArgument: the schema's name is too long for roles; nothing was applied.
    """
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)
    with engine.begin() as connection:
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


def _enter(connection: Connection, schema: str) -> None:
    """Wait for other migrations of this schema, make it, and let unqualified names mean it until the transaction ends."""
    quoted = '"' + schema.replace('"', '""') + '"'
    connection.execute(text("select pg_advisory_xact_lock(hashtext('pgqueue migrate'), hashtext(:schema))"), {"schema": schema})
    connection.exec_driver_sql("create schema if not exists " + quoted.replace("%", "%%"))
    connection.execute(text("select set_config('search_path', :path, true)"), {"path": f"{quoted}, pg_temp"})
    connection.exec_driver_sql("set local check_function_bodies = off")  # files call functions of later files


def _make_roles(connection: Connection, schema: str) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    try:
        driver.execute((resource("sql") / "roles.sql").read_text(encoding="utf-8"))
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(error.diag.message_primary) from error
    except psycopg.Error as error:
        raise translate(error, schema) from error


def _version(connection: Connection, schema: str) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": "schema_version", "version_table_schema": schema})
    return context.get_current_revision()
