"""The entry point of the command `alembic`; `pgqueue migrate` does without it."""

from alembic.util import CommandError
from psycopg import Error

from pgqueue._text import one_line
from pgqueue.errors import PgQueueError
from pgqueue.migrate.command import run_alembic

try:
    run_alembic()
except (PgQueueError, Error) as error:
    raise CommandError(one_line(" ".join(str(error).split()))) from None
