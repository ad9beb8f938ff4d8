"""Alembic's entry point: for `pgqueue migrate`, which passes a connection and a schema, and for the command `alembic`."""

from alembic import context
from alembic.util import CommandError
from psycopg import Error

from pgqueue import migrate
from pgqueue._text import one_line
from pgqueue.errors import PgQueueError

attributes = context.config.attributes
if "connection" in attributes:
    migrate.configure(attributes["schema"], connection=attributes["connection"])
    context.run_migrations()
else:
    try:
        migrate.run_alembic()
    except (PgQueueError, Error) as error:
        raise CommandError(one_line(" ".join(str(error).split()))) from None
