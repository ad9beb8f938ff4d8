"""Whether a pool's connections can be used, and why it has none: a check of the socket, and the last connection error."""

import select
from time import monotonic
from typing import Any

import psycopg

from ..errors import ConfigurationError, NoConnection
from .away import place
from .backoff import first_line
from .call import Call
from .connection import DeadlinePassed, OwnAsyncConnection, OwnConnection
from .url import read_url, setting_of

_CUT = ("08", "57P")  # SQLSTATEs of connections that were closed
AGAIN = 5.0  # seconds until a waiting call tries to connect again; the pool of psycopg waits longer after each try
AWAY = 4.5  # seconds for a database that cannot be reached to come back; one try to connect takes 4 s
SILENT = 2 * AWAY  # seconds if no try has failed yet: a blocked event loop connects late, a name may have many addresses


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

    def __init__(self, setting: str, size: int, url: str = "") -> None:
        self._setting, self._size, self._url = setting, size, url
        self.error: psycopg.Error | ConfigurationError | None = None
        self._lent: set[int] = set()  # of a set, because threads count at once
        self._silence_at = 0.0

    def note(self, error: psycopg.Error | ConfigurationError | None) -> None:
        """Note the result of a try to connect."""
        self.error = error

    @property
    def lent(self) -> int:
        """How many connections callers have, which may come back."""
        return len(self._lent)

    def lend(self, connection: OwnConnection | OwnAsyncConnection) -> None:
        """Note that a caller has it."""
        self._lent.add(id(connection))

    def take_back(self, connection: OwnConnection | OwnAsyncConnection) -> None:
        """Note that no caller has it any more."""
        self._lent.discard(id(connection))
        if connection.is_silent:
            self.note_silence()

    def note_silence(self) -> None:
        """Note that a connection missed its deadline: older connections may be silent too."""
        self._silence_at = monotonic()

    def trusts(self, connection: OwnConnection | OwnAsyncConnection) -> bool:
        """Whether the pool first returned this connection after the last silence."""
        if connection.known_since is None:
            connection.known_since = monotonic()
        return connection.known_since > self._silence_at

    def is_away(self, seconds: float) -> bool:
        """Whether nobody who waits as long as this need wait on: no connection is there that could come back."""
        return self.lent == 0 and seconds >= (SILENT if self.error is None else AWAY)

    def refused(self, seconds: float) -> NoConnection:
        """The error to raise when there was no connection for this many seconds."""
        if self.error is not None:
            return NoConnection(f"no connection within {seconds:.2g} s: {first_line(self.error)}")
        if self.lent == 0:
            where = f"{place(read_url(self._url))} ({setting_of(self._url)})"
            return NoConnection(f"no connection within {seconds:.2g} s: {where} does not answer")
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
        bears_outage: wait as long although the database cannot be reached.
    """

    def __init__(self, reach: Reach, seconds: float, bears_outage: bool = False) -> None:
        self._reach, self._seconds, self._bears_outage = reach, seconds, bears_outage
        self._began = monotonic()
        self._parts = 0

    def part(self) -> float:
        """Seconds to wait now. Short while connecting fails; else the rest, so that the call keeps its place in the line."""
        left = max(0.0, self._began + self._seconds - monotonic())
        self._parts += 1
        is_well = self._reach.error is None and (self._reach.lent > 0 or self._bears_outage)
        return left if self._parts > 1 and is_well else min(left, AGAIN if self._bears_outage else AWAY)

    def check(self) -> None:
        """Raise NoConnection if the time is over, or the database cannot be reached."""
        waited = monotonic() - self._began
        if waited >= self._seconds or (self._reach.is_away(waited) and not self._bears_outage):
            raise self._reach.refused(min(waited, self._seconds))
