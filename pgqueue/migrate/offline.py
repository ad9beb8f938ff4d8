"""The upgrade as SQL, for those who apply it by other means. No database is needed."""

from collections.abc import MutableMapping
from typing import TextIO
from weakref import WeakKeyDictionary

from alembic.runtime.migration import MigrationContext

from ..config import check_schema_name
from .steps import bring_up, execute_each, head, known, on_output

# Nothing else may stand before the second in a transaction: a revision of the application cannot have it.
BEGIN = ["begin", "set transaction isolation level read committed, read write"]
# The version up to which SQL has been written, by run of Alembic and schema.
_WRITTEN: MutableMapping[MigrationContext, dict[str, str]] = WeakKeyDictionary()


def write_sql(output: TextIO, schema: str = "pgqueue", roles: bool = False, *, since: str | None = None) -> None:
    """Write the SQL of an upgrade, as one transaction for `psql -v ON_ERROR_STOP=1`.

    Args:
        output: where it is written, as UTF-8.
        schema: the schema to install in; it is created if it does not exist.
        roles: also create or update the roles of sql/roles.sql.
        since: the version that the schema has. By default there is no pgqueue in it. SQL for another version changes nothing.

    Raises:
        ConfigurationError: there is no such version.
    """
    check_schema_name(schema)
    known(since)
    migration = on_output(output, schema, since)
    execute_each(migration, BEGIN)
    bring_up(migration, schema, roles, since)
    execute_each(migration, ["commit"])


def write_into(application: MigrationContext, schema: str, roles: bool, since: str | None) -> bool:
    """Write the SQL into that of the application."""
    written = _WRITTEN.setdefault(application, {})
    since = written.get(schema, since)
    known(since)
    output = application.output_buffer
    assert output is not None
    changes = bring_up(on_output(output, schema, since), schema, roles, since)
    written[schema] = head()
    return changes
