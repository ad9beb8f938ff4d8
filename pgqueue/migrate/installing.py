"""Upgrading a schema: by itself, or in a transaction of the application."""

from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.engine.mock import MockConnection

from ..config import check_schema_name
from ..errors import ConfigurationError, WrongConnection
from .offline import write_into
from .own import own_engine
from .refusals import errors_of_psycopg, refusals
from .running import in_revision
from .steps import bring_up, on_connection


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
            pgqueue, or a newer one; the user may not make the schema or the roles; the server is too old or cannot be written
            to; or this is a revision of the application, which is to call `upgrade`. Nothing was applied.
        InvalidArgument: the schema's name is too long for roles; nothing was applied.
        psycopg.OperationalError: the server cannot be reached, or the connection was cut.
    """
    if in_revision() is not None:
        raise ConfigurationError(
            "migrate: a revision of Alembic is running, and migrate(url) would commit whatever becomes of it; "
            "use pgqueue.migrate.upgrade(op.get_bind())"
        )
    check_schema_name(schema)
    with errors_of_psycopg(), own_engine(url).begin() as connection, refusals(schema):
        return bring_up(on_connection(connection, schema), schema, roles)


def upgrade(connection: Connection | None, schema: str = "pgqueue", roles: bool = False, *, since: str | None = None) -> bool:
    """Upgrade a schema to this version in a transaction of the application, as in a revision of its own Alembic.

    Commits nothing: what it does is kept or vanishes with the transaction, whose settings are afterwards as they were. The schema
    stays locked for other migrations of pgqueue until then.

    Args:
        connection: of SQLAlchemy, over psycopg, psycopg2, or asyncpg in `run_sync`: `op.get_bind()`. What that is in
            `alembic upgrade --sql`, which has no connection, or None: write the SQL where Alembic writes its own.
        schema: the schema to install in; it is created if it does not exist.
        roles: also create or update the roles of sql/roles.sql; the user needs CREATEROLE unless they exist.
        since: the version of pgqueue's tables from which the SQL is written; by default none, and in a run of Alembic that has
            written an upgrade already, that one. A connection ignores it: there the version is read.

    Returns:
        Whether the schema was changed; False if it was up to date.

    Raises:
        ConfigurationError: as for `migrate`; or the transaction is aborted, read-only, of another isolation level than read
            committed, or there is none (autocommit). Nothing was applied.
        WrongConnection: it is no connection of SQLAlchemy to PostgreSQL; or none outside of `alembic upgrade --sql`.
        InvalidArgument: the schema's name is too long for roles.
    """
    check_schema_name(schema)
    if connection is None or isinstance(connection, MockConnection):
        return write_into(_offline(), schema, roles, since)
    _refuse_others(connection)
    with refusals(schema):
        connection.exec_driver_sql("select 1")  # begins what SQLAlchemy and its adapters call a transaction
        return bring_up(on_connection(connection, schema), schema, roles)


def _offline() -> MigrationContext:
    context = in_revision()
    if context is None or not context.as_sql:
        raise WrongConnection("connection: there is none, and no `alembic upgrade --sql` runs; use op.get_bind() in a revision")
    _refuse_dialect(context.dialect.name)
    return context


def _refuse_others(connection: Any) -> None:
    if not isinstance(connection, Connection):
        kind = type(connection)
        raise WrongConnection(
            f"connection: {kind.__module__}.{kind.__qualname__} cannot be used; give a Connection of SQLAlchemy: op.get_bind(), "
            "session.connection(), or of an AsyncConnection: await connection.run_sync(upgrade)"
        )
    _refuse_dialect(connection.dialect.name)


def _refuse_dialect(name: str) -> None:
    if name != "postgresql":
        raise WrongConnection(f"connection: it is to a database of the kind {name}; pgqueue needs PostgreSQL")
