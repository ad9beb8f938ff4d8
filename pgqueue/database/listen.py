"""LISTEN and its self-test: whether notifications of another connection arrive; a transaction pooler prevents this."""

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
    """End with UNLISTEN: if a pooler keeps the session of the server, another client gets it next."""
    try:
        yield
    finally:
        with suppress(psycopg.Error):
            connection.execute("unlisten *")


def hears(connection: OwnConnection, channel: str, url: str, application_name: str, within: float = ECHO_WITHIN) -> bool:
    """Whether a listening connection receives a notification of another connection. Other notifications are dropped meanwhile.

    The other connection matters: a pooler can pass a notification on to the connection that sent it, with the answer.

    Args:
        connection: a connection that listens on `channel`.
        channel: the channel on which the echo is sent.
        url: the URL with which `connection` was opened.
        application_name: the name of the other connection.
        within: seconds to wait for the echo.
    """
    echo = f"echo {uuid.uuid4()}"
    with open_connection(url, application_name) as other:
        other.execute("select pg_catalog.pg_notify(%s, %s)", (channel, echo))
    return any(notification.payload == echo for notification in connection.notifies(timeout=within))
