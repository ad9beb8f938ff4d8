"""Whether a pool's connections can be used, and why it has none: a check of the socket, and the last connection error."""

import select
from time import monotonic
from typing import Any

import psycopg

from ..errors import NoConnection
from .backoff import first_line
from .call import Call
from .connection import DeadlinePassed, OwnAsyncConnection, OwnConnection

_CUT = ("08", "57P")  # SQLSTATEs of connections that end
AGAIN = 5.0  # seconds until it is tried anew to connect, by whoever waits; psycopg's pool itself tries ever more slowly


def is_open(connection: Any) -> bool:
    """Whether an idle connection is usable, as far as this side can tell; the server is not asked.

    Nothing arrives on a connection of ours that is idle except a message that it ends, or an irrelevant notice.
    """
    return not connection.closed and not _is_readable(connection.pgconn.socket)


def _is_readable(socket: int) -> bool:
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([socket], [], [], 0)[0])
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


def may_repeat(call: Call[Any], error: psycopg.Error, since: float) -> bool:
    """Whether a call may be sent again: its connection was cut, and to do it twice is to do it once. `since`: when it began."""
    if isinstance(error, NoConnection | DeadlinePassed) or not isinstance(error, psycopg.OperationalError):
        return False
    is_cut = error.sqlstate is None or error.sqlstate.startswith(_CUT)
    return is_cut and monotonic() - since < call.repeat_within


class Reach:
    """How one pool reaches the database.

    Args:
        setting: names the size of the pool.
        size: of the pool.

    Attributes:
        error: why the last attempt to connect failed; None when it did not.
    """

    def __init__(self, setting: str, size: int) -> None:
        self._setting, self._size = setting, size
        self.error: psycopg.Error | None = None
        self._silence_at = 0.0

    def note(self, error: psycopg.Error | None) -> None:
        """Note how an attempt to connect ended."""
        self.error = error

    def note_silence(self) -> None:
        """A connection missed its deadline: others of its time may have gone silent with it."""
        self._silence_at = monotonic()

    def trusts(self, connection: OwnConnection | OwnAsyncConnection) -> bool:
        """Whether a connection that is given out now was first given out after the last silence."""
        if connection.known_since is None:
            connection.known_since = monotonic()
        return connection.known_since > self._silence_at

    def refused(self, seconds: float) -> NoConnection:
        """What to raise when there was no connection for so long."""
        if self.error is not None:
            return NoConnection(
                f"no connection within {seconds:.3g} s, the database cannot be reached: {first_line(self.error)}; "
                "check database_url (PGQUEUE_DATABASE_URL) and the server"
            )
        return NoConnection(
            f"no connection within {seconds:.3g} s: all {self._size} of the pool are in use; raise {self._setting} "
            f"(PGQUEUE_{self._setting.upper()}), or have fewer threads or tasks use it at once"
        )


class Wait:
    """One wait for a connection of a pool, in parts.

    Args:
        reach: of the pool.
        seconds: for all of it.
    """

    def __init__(self, reach: Reach, seconds: float) -> None:
        self._reach, self._seconds = reach, seconds
        self._ends = monotonic() + seconds
        self._parts = 0

    def part(self) -> float:
        """Seconds to wait now. Short while connects fail; where others have the connections, whoever waits keeps its place."""
        left = max(0.0, self._ends - monotonic())
        self._parts += 1
        return left if self._parts > 1 and self._reach.error is None else min(left, AGAIN)

    def check(self) -> None:
        """Raises NoConnection when the time is over."""
        if monotonic() >= self._ends:
            raise self._reach.refused(self._seconds)
