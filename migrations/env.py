"""Alembic's entry point: for `pgqueue migrate`, which passes a connection and a schema, and for the command `alembic`."""

from alembic import context
from alembic.util import CommandError

from pgqueue import migrate
from pgqueue.errors import PgQueueError

attributes = context.config.attributes
if "connection" in attributes:
    migrate.configure(attributes["schema"], connection=attributes["connection"])
    context.run_migrations()
else:
    try:
        migrate.run_alembic()
    except PgQueueError as error:
        raise CommandError(str(error)) from None
