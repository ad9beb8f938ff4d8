"""Alembic's entry point: the caller passes a connection that is in a transaction, with the schema on its search_path."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table="schema_version",
    version_table_schema=context.config.attributes["schema"],
)
context.run_migrations()
