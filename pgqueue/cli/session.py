"""The database for a command: one connection for the time of the command."""

from time import monotonic
from typing import Any, Self, TypeVar

import psycopg

from ..client import Client
from ..config import load_settings
from ..database import Call
from ..database.acting import acting_as
from ..database.bridge import run_on_own
from ..database.calls.install import foreign_owner
from ..database.connection import open_connection
from ..database.reach import is_open, may_repeat
from .who import me

T = TypeVar("T")


class Session:
    """Runs calls on one connection, in the name of the user of this machine.

    Args:
        database_url: the URL; by default PGQUEUE_DATABASE_URL.
        schema: the schema; by default PGQUEUE_SCHEMA, or pgqueue.

    Raises:
        DatabaseNotConfigured: there is no URL.
        ConfigurationError: the user is a superuser, and the schema is of a role that is none.
        psycopg.OperationalError: the server cannot be reached.
    """

    def __init__(self, database_url: str | None, schema: str | None) -> None:
        self._app = Client(load_settings(database_url=database_url, schema_name=schema))
        self._open()

    def _open(self) -> None:
        self._connection = open_connection(self._app.url, "pgqueue command")
        if self._connection.info.parameter_status("is_superuser") == "on":  # others need not ask
            from ..check import check_owner

            schema = self._app.settings.schema_name
            try:
                check_owner(self._app.database.run_on(run_on_own, self._connection, foreign_owner(schema)), schema)
            except BaseException:
                self._connection.close()
                raise

    def run(self, call: Call[T]) -> T:
        """Run one call in its own transaction; a call that may be repeated is repeated if the connection was cut."""
        began = monotonic()
        try:
            return self._run_open(call)
        except psycopg.OperationalError as error:
            if not may_repeat(call, error, began):
                raise
        return self._run_open(call)

    def _run_open(self, call: Call[T]) -> T:
        if not is_open(self._connection):
            self._connection.close()
            self._open()
        self._connection.deadline = call.within
        return self._app.database.run_on(run_on_own, self._connection, call)

    def __enter__(self) -> Self:
        self._acting = acting_as(me())
        self._acting.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._acting.__exit__(None, None, None)
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
