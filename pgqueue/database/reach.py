"""Whether a pool's connections can be used, and why it has none: a check of the socket, and the last connection error."""

import select
from time import monotonic
from typing import Any

import psycopg

from ..errors import NoConnection
from .backoff import first_line
from .call import Call
from .connection import DeadlinePassed, OwnAsyncConnection, OwnConnection

_CUT = ("08", "57P")  # SQLSTATEs of connections that were closed
AGAIN = 5.0  # seconds until a waiting call tries to connect again; the pool of psycopg waits longer after each try


def is_open(connection: Any) -> bool:
    """Whether an idle connection is usable, as far as this side can see; no query is sent.

    On our idle connections nothing arrives except a message that the connection ends, or a notice without importance.
    """
    return not connection.closed and not _is_readable(connection.pgconn.socket)


def _is_readable(socket: int) -> bool:
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([socket], [], [], 0)[0])
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


def may_repeat(call: Call[Any], error: psycopg.Error, since: float) -> bool:
    """Whether a call may be sent again: its connection was cut, and a second run changes nothing. `since`: when it started."""
    if isinstance(error, NoConnection | DeadlinePassed) or not isinstance(error, psycopg.OperationalError):
        return False
    is_cut = error.sqlstate is None or error.sqlstate.startswith(_CUT)
    return is_cut and monotonic() - since < call.repeat_within


class Reach:
    """How one pool reaches the database.

    Args:
        setting: the name of the setting for the size of the pool.
        size: the size of the pool.

    Attributes:
        error: why the last try to connect failed; None if it succeeded.
    """

    def __init__(self, setting: str, size: int) -> None:
        self._setting, self._size = setting, size
        self.error: psycopg.Error | None = None
        self._silence_at = 0.0

    def note(self, error: psycopg.Error | None) -> None:
        """Note the result of a try to connect."""
        self.error = error

    def note_silence(self) -> None:
        """Note that a connection missed its deadline: older connections may be silent too."""
        self._silence_at = monotonic()

    def trusts(self, connection: OwnConnection | OwnAsyncConnection) -> bool:
        """Whether the pool first returned this connection after the last silence."""
        if connection.known_since is None:
            connection.known_since = monotonic()
        return connection.known_since > self._silence_at

    def refused(self, seconds: float) -> NoConnection:
        """The error to raise when there was no connection for this many seconds."""
        if self.error is not None:
            return NoConnection(
                f"no connection within {seconds:.3g} s, the database cannot be reached: {first_line(self.error)}; "
                "check database_url (PGQUEUE_DATABASE_URL) and the server"
            )
        busy = NoConnection(
            f"no connection within {seconds:.3g} s: all {self._size} of the pool are in use; raise {self._setting} "
            f"(PGQUEUE_{self._setting.upper()}), or have fewer threads or tasks use it at once"
        )
        busy.is_busy = True
        return busy


class Wait:
    """One wait for a connection of a pool, in parts.

    Args:
        reach: the state of the pool.
        seconds: the length of the whole wait.
    """

    def __init__(self, reach: Reach, seconds: float) -> None:
        self._reach, self._seconds = reach, seconds
        self._ends = monotonic() + seconds
        self._parts = 0

    def part(self) -> float:
        """Seconds to wait now. Short while connecting fails; else the rest, so that the call keeps its place in the line."""
        left = max(0.0, self._ends - monotonic())
        self._parts += 1
        return left if self._parts > 1 and self._reach.error is None else min(left, AGAIN)

    def check(self) -> None:
        """Raise NoConnection if the time is over."""
        if monotonic() >= self._ends:
            raise self._reach.refused(self._seconds)
