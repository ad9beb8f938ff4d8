"""Calls that compare a replica with its primary."""

from typing import NamedTuple

from ..call import Call

_SQL = (
    "select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end)::text, "
    "(select extract(epoch from created_at)::text from {schema}.setting)"
)


class Position(NamedTuple):
    """How far a server is.

    Attributes:
        written: the place in the write-ahead log up to which it has written, or on a replica replayed; None = it does not say.
        install: tells one install from another.
    """

    written: int | None
    install: str


def position() -> Call[Position]:
    """How far this server is."""
    return Call(_SQL, (), lambda rows: Position(_read(rows[0][0]), rows[0][1]), within=2.0, repeat_within=2.0)


def _read(place: str | None) -> int | None:
    """A place such as 16/B374D848 as a number."""
    if place is None:
        return None
    high, _, low = place.partition("/")
    return (int(high, 16) << 32) + int(low, 16)
