"""Adapters of our own: what an application registers on `psycopg.adapters` or its connection changes none of our calls."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncCursor, Cursor, DataError, postgres
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import AdaptersMap
from psycopg.rows import tuple_row
from psycopg.types import TypesRegistry
from psycopg.types.array import register_all_arrays
from psycopg.types.datetime import IntervalBinaryLoader, TimestamptzBinaryLoader
from psycopg.types.json import set_json_loads
from psycopg.types.numeric import Int8BinaryLoader
from psycopg.types.string import TextBinaryLoader

from .._json import readable

_NO_TYPE = 0  # the oid that stands for types that psycopg does not know, such as our enums
_UTC = ("UTC", "Etc/UTC")


FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)  # every time zone can show them
_LONGEST = timedelta(days=999_999_000)


class _UtcLoader(TimestamptzBinaryLoader):
    """Times in UTC, whatever the TimeZone of the session is. One that Python cannot hold becomes the first or last that it can.

    A row may have such a time, for example infinity, written by hand: no list fails over it. In Python, and so slower.
    """

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid)

    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except DataError:
            return FIRST if bytes(data)[0] & 0x80 else LAST


class _IntervalLoader(IntervalBinaryLoader):
    """Durations likewise: PostgreSQL 17 knows infinite ones."""

    def load(self, data: Buffer) -> timedelta:
        try:
            return super().load(data)
        except (DataError, OverflowError):
            return -_LONGEST if bytes(data)[0] & 0x80 else _LONGEST


def _own_adapters() -> AdaptersMap:
    """As psycopg makes its own, in the same order."""
    types = TypesRegistry()
    postgres.register_default_types(types)
    adapters = AdaptersMap(types=types)
    postgres.register_default_adapters(adapters)
    register_all_arrays(adapters)
    set_json_loads(readable, adapters)
    adapters.register_loader(_NO_TYPE, TextBinaryLoader)
    return adapters


ADAPTERS = _own_adapters()
_READABLE = AdaptersMap(ADAPTERS)
_READABLE.register_loader("timestamptz", _UtcLoader)
_READABLE.register_loader("interval", _IntervalLoader)


def own_adapters(connection: Any) -> AdaptersMap:
    """Ours for this connection."""
    return _READABLE


def fast_adapters(connection: Any) -> AdaptersMap:
    """Ours for a worker's own connection, whose calls read two times for each job, and bound them in SQL."""
    return ADAPTERS if connection.info.parameter_status("TimeZone") in _UTC else _READABLE


def adapters_for(connection: Any, params: Any, application: AdaptersMap) -> AdaptersMap:
    """Ours; where a call carries a query of the caller's (its parameters have names), theirs for the parameters."""
    if not isinstance(params, Mapping):
        return own_adapters(connection)
    adapters = AdaptersMap(application)
    adapters.register_loader("int8", Int8BinaryLoader)
    return adapters


class OwnCursor(Cursor[tuple[Any, ...]]):
    """A cursor whose adapters are not those of its connection."""

    def __init__(self, connection: Any, adapters: AdaptersMap) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self._given = adapters

    @property
    def adapters(self) -> AdaptersMap:
        """Ours."""
        return self._given


class OwnAsyncCursor(AsyncCursor[tuple[Any, ...]]):
    """`OwnCursor` for async code."""

    def __init__(self, connection: Any, adapters: AdaptersMap) -> None:
        super().__init__(connection, row_factory=tuple_row)
        self._given = adapters

    @property
    def adapters(self) -> AdaptersMap:
        """Ours."""
        return self._given
