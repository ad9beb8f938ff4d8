"""Whether notifications arrive through a URL."""

import uuid

from ..database.calls.doctor import Finding
from ..database.connection import open_connection
from ..database.listen import hears, leaving_nothing, listen

ECHO_WITHIN = 2.0  # seconds


def listening(url: str) -> list[Finding]:
    """Send a notification from one connection to another one, on a channel of its own.

    Raises:
        psycopg.Error: a connection could not be opened, or the server does not let it listen.
    """
    channel, name = f"pgqueue doctor {uuid.uuid4()}", "pgqueue doctor"
    with open_connection(url, name) as connection, leaving_nothing(connection):
        connection.deadline = 2 * ECHO_WITHIN
        listen(connection, channel)
        if hears(connection, channel, url, name, ECHO_WITHIN):
            return []
    return [
        Finding(
            "no-wake-ups",
            "warning",
            "LISTEN",
            f"a notification did not arrive within {ECHO_WITHIN:.0f} s, as behind a transaction pooler",
            {"seconds": ECHO_WITHIN},
            "workers poll: jobs start up to a second late, and waits for results take longer",
            "give PGQUEUE_LISTEN_URL a connection past the pooler, straight to the server",
        )
    ]
