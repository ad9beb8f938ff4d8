"""Our own adapters: adapters that an application registers on psycopg or its connection do not change our calls."""

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

from .._json import readable, readable_exactly

_NO_TYPE = 0  # the oid for types that psycopg does not know, such as our enums
_UTC = ("UTC", "Etc/UTC")


FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)  # valid in every time zone
_LONGEST = timedelta(days=999_999_000)


class _UtcLoader(TimestamptzBinaryLoader):
    """Times in UTC, for any TimeZone of the session. A time that Python cannot hold becomes the first or last that it can hold.

    A row may have such a time, for example infinity, written by hand; a list must not fail because of it. Slower than C code.
    """

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid)

    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except DataError:
            return FIRST if bytes(data)[0] & 0x80 else LAST


class _IntervalLoader(IntervalBinaryLoader):
    """The same for durations: they can be infinite in PostgreSQL 17."""

    def load(self, data: Buffer) -> timedelta:
        try:
            return super().load(data)
        except (DataError, OverflowError):
            return -_LONGEST if bytes(data)[0] & 0x80 else _LONGEST


def _own_adapters() -> AdaptersMap:
    """The adapters that psycopg makes, registered in the same order."""
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


EXACT = AdaptersMap(_READABLE)
set_json_loads(readable_exactly, EXACT)


def own_adapters(connection: Any) -> AdaptersMap:
    """Our adapters for this connection."""
    return _READABLE


def fast_adapters(connection: Any) -> AdaptersMap:
    """Our adapters for a connection of a worker. Its calls read two times for each job; SQL keeps these times in range."""
    return ADAPTERS if connection.info.parameter_status("TimeZone") in _UTC else _READABLE


def adapters_for(connection: Any, params: Any, application: AdaptersMap) -> AdaptersMap:
    """Our adapters; but the caller's for the parameters of a call with a query of the caller, whose parameters have names."""
    if not isinstance(params, Mapping):
        return own_adapters(connection)
    adapters = AdaptersMap(application)
    adapters.register_loader("int8", Int8BinaryLoader)
    return adapters


class OwnCursor(Cursor[tuple[Any, ...]]):
    """A cursor with our adapters in place of the adapters of its connection."""

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
