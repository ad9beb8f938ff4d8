"""LISTEN and its self-test: whether what another connection notifies arrives, which a transaction pooler prevents."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import sql

from .connection import OwnConnection, open_connection

ECHO_WITHIN = 5.0  # seconds in which the echo must arrive


def listen(connection: OwnConnection, channel: str) -> None:
    """LISTEN on a channel."""
    connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))


@contextmanager
def leaving_nothing(connection: OwnConnection) -> Iterator[None]:
    """Listen to nothing any more in the end: where a pooler keeps the server's session, another client has it next."""
    try:
        yield
    finally:
        with suppress(psycopg.Error):
            connection.execute("unlisten *")


def hears(connection: OwnConnection, channel: str, url: str, application_name: str, within: float = ECHO_WITHIN) -> bool:
    """Whether a connection that listens hears what another one notifies. What else it hears meanwhile is dropped.

    The other connection matters: a pooler can pass a notification on to the connection that sent it, with the answer.

    Args:
        connection: it listens on `channel`.
        channel: where the echo is sent.
        url: what `connection` was opened with.
        application_name: of the other connection.
        within: seconds to wait for the echo.
    """
    echo = f"echo {uuid.uuid4()}"
    with open_connection(url, application_name) as other:
        other.execute("select pg_catalog.pg_notify(%s, %s)", (channel, echo))
    return any(notification.payload == echo for notification in connection.notifies(timeout=within))
