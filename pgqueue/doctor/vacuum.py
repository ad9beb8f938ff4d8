"""Removing dead rows by hand, where autovacuum is off or too slow."""

from psycopg import sql

from ..database.bridge import run_on_own
from ..database.calls import doctor as calls
from ..database.connection import open_connection
from ..errors import ConfigurationError
from ..registry import Registry

VACUUM_WITHIN = 3600.0  # seconds for one table


def vacuum(app: Registry) -> list[str]:
    """Vacuum and analyze each table of the install. Returns their names.

    Raises:
        ConfigurationError: the role of the app does not own the tables: PostgreSQL would leave them as they are, and only warn.
    """
    schema = app.settings.schema_name
    with open_connection(app.url, "pgqueue maintain") as connection:
        tables = app.database.run_on(run_on_own, connection, calls.tables(schema))
        if any(not table.is_own for table in tables):
            raise ConfigurationError(f"vacuum: only the owner of the schema {schema} may; give the URL of that user")
        connection.deadline = VACUUM_WITHIN
        for table in tables:
            connection.execute(sql.SQL("vacuum (analyze) {}").format(sql.Identifier(schema, table.name)))
    return [table.name for table in tables]
