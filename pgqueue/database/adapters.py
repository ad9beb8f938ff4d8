"""Adapters of our own: what an application registers on `psycopg.adapters` or its connection changes none of our calls."""

from collections.abc import Mapping
from typing import Any

from psycopg import AsyncCursor, Cursor, postgres
from psycopg.abc import AdaptContext
from psycopg.adapt import AdaptersMap
from psycopg.rows import tuple_row
from psycopg.types import TypesRegistry
from psycopg.types.array import register_all_arrays
from psycopg.types.datetime import TimestamptzBinaryLoader
from psycopg.types.json import set_json_loads
from psycopg.types.numeric import Int8BinaryLoader
from psycopg.types.string import TextBinaryLoader

from .._json import loads

_NO_TYPE = 0  # the oid that stands for types that psycopg does not know, such as our enums
_UTC = ("UTC", "Etc/UTC")


class _UtcLoader(TimestamptzBinaryLoader):
    """Times in UTC, whatever the TimeZone of the session is. It is in Python and slower, so only other sessions have it."""

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid)


def _own_adapters() -> AdaptersMap:
    """As psycopg makes its own, in the same order."""
    types = TypesRegistry()
    postgres.register_default_types(types)
    adapters = AdaptersMap(types=types)
    postgres.register_default_adapters(adapters)
    register_all_arrays(adapters)
    set_json_loads(loads, adapters)
    adapters.register_loader(_NO_TYPE, TextBinaryLoader)
    return adapters


ADAPTERS = _own_adapters()
_TO_UTC = AdaptersMap(ADAPTERS)
_TO_UTC.register_loader("timestamptz", _UtcLoader)


def own_adapters(connection: Any) -> AdaptersMap:
    """Ours for this connection."""
    return ADAPTERS if connection.info.parameter_status("TimeZone") in _UTC else _TO_UTC


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
