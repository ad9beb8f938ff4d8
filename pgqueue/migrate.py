"""Installing and upgrading: Alembic, under one lock and in one transaction, so that concurrent first starts are safe."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool


def resource(name: str) -> Path:
    """The directory `sql` or `migrations`: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def install_files() -> list[Path]:
    """The SQL files in the order in which they are applied."""
    sql = resource("sql")
    return [sql / "types.sql", sql / "tables.sql", *sorted((sql / "functions").glob("*.sql")), sql / "views.sql"]


def migrate(url: str, schema: str = "pgqueue") -> bool:
    """Bring a schema up to this version; creates it when it is not there.

    Args:
        url: of the database; its user becomes the owner of everything.
        schema: where to install.

    Returns:
        Whether anything was applied; False when it was up to date.
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
        return _version(connection, schema) != before


def _enter(connection: Connection, schema: str) -> None:
    """Wait for other migrations of this schema, make it, and let unqualified names mean it until the transaction ends."""
    quoted = '"' + schema.replace('"', '""') + '"'
    connection.execute(text("select pg_advisory_xact_lock(hashtext('pgqueue migrate'), hashtext(:schema))"), {"schema": schema})
    connection.exec_driver_sql("create schema if not exists " + quoted.replace("%", "%%"))
    connection.execute(text("select set_config('search_path', :path, true)"), {"path": f"{quoted}, pg_temp"})
    connection.exec_driver_sql("set local check_function_bodies = off")  # files call functions of later files


def _version(connection: Connection, schema: str) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": "schema_version", "version_table_schema": schema})
    return context.get_current_revision()
