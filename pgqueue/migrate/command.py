"""The command `alembic` in a checkout, on the database and the schema of the settings."""

from functools import partial
from typing import Any

from alembic import context

from ..config import connection_url, load_settings
from .own import own_engine
from .refusals import errors_of_psycopg, refusals
from .statements import checking, entering, expecting, leaving, written
from .steps import VERSION_TABLE, execute, execute_each


def run_alembic() -> None:
    """Run the command of `alembic`; with --sql no database is needed.

    Raises:
        ConfigurationError: a setting is invalid, or no database is set.
    """
    settings = load_settings()
    schema = settings.schema_name
    if context.is_offline_mode():
        _configure(schema, dialect_name="postgresql", dialect_opts={"paramstyle": "named"})  # otherwise each % is doubled
        _run_steps(schema)
    else:
        with errors_of_psycopg(), own_engine(connection_url(settings)).connect() as connection:
            _configure(schema, connection=connection)
            with refusals(schema):
                _run_steps(schema)


def _configure(schema: str, **target: Any) -> None:
    """Set where Alembic stores the version of a schema. `target`: a connection, or the name of a dialect."""
    context.configure(version_table=VERSION_TABLE, version_table_schema=schema, transaction_per_migration=False, **target)


def _run_steps(schema: str) -> None:
    """Run the steps in one transaction, then the additions of `migrate`. Commands that only read change nothing."""
    migration = context.get_context()
    steps: list[Any] = []
    migration.on_version_apply_callbacks += (lambda *, step, **_: steps.append(step),)
    with context.begin_transaction():
        is_change = not migration.opts.get("dont_mutate")
        execute_each(migration, _before(schema, is_change))
        context.run_migrations(execute=partial(execute, migration))
        if any(step.is_upgrade and not step.is_stamp for step in steps):
            execute(migration, "select maintain();")
        if is_change:
            execute_each(migration, [*checking(schema), *leaving()])


def _before(schema: str, is_change: bool) -> list[str]:
    if not context.is_offline_mode():
        return entering(schema) if is_change else checking(schema)
    first = ["set transaction isolation level read committed, read write", *written()]
    since = context.get_starting_revision_argument()
    return [*first, *(entering(schema) if is_change else []), *(expecting(str(since) if since else None) if is_change else [])]
