"""The connection of a migration that runs by itself."""

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from ..database.connection import OwnConnection, open_connection
from ..database.settle import SAFE_PATH

STATEMENT_WITHIN = 600.0  # seconds for a statement of a migration, and for the wait for another migration


def own_engine(url: str) -> Engine:
    """An engine whose connections are of ours."""
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
