"""JSON of requests and answers: numbers of users pass through unchanged."""

import json
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any
from uuid import UUID

import orjson

from .._json import Exact, Unreadable, _exact_float, _exact_int
from .._text import harmless_json

_ADDRESSES = (IPv4Address, IPv6Address, IPv4Interface, IPv6Interface)
MOST_DIGITS, MOST_DECIMALS = 131_072, 16_383  # of numeric in PostgreSQL
# A datetime comes to `_plain` instead of orjson's own form, so that all times end in Z; so do subclasses, such as Unreadable.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS


def read(document: bytes) -> Any:
    """The JSON of a request, with numbers as `loads_exactly` reads them.

    Raises:
        ValueError: it is no JSON, has a name twice in one object, or a constant such as NaN that JSON does not have.
        RecursionError: it is nested too deep.
    """
    return json.loads(document, parse_int=_exact_int, parse_float=_exact_float, parse_constant=_refuse, object_pairs_hook=_once)


def write(value: Any, indented: bool = False) -> bytes:
    """A value as JSON: times in UTC, spans in seconds. Raises TypeError if it is nested too deep, or is no JSON."""
    return orjson.dumps(value, default=_plain, option=_OPTIONS | (orjson.OPT_INDENT_2 if indented else 0))


def shown(value: Any, indented: bool = False) -> bytes:
    """As `write`, for who reads it: curl shows an answer on a terminal. The values are the same, see `harmless_json`."""
    body = write(value, indented)
    return body if body.isascii() and b"\x7f" not in body else harmless_json(body.decode()).encode()


def _refuse(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the name {twice[:200]!r} is there twice")
    return found


def _storable(number: str) -> str:
    """The number, unless PostgreSQL cannot hold it."""
    try:
        exact = Decimal(number)
        if exact.adjusted() < MOST_DIGITS and -int(exact.as_tuple().exponent) <= MOST_DECIMALS:
            return number
    except ArithmeticError:
        pass
    raise TypeError(f"a number has more than {MOST_DIGITS:,} digits, or more than {MOST_DECIMALS:,} behind the point")


def _plain(value: Any) -> Any:
    match value:
        case Exact():
            return orjson.Fragment(_storable(value.text))
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case UUID() | Unreadable():
            return str(value)
        case Enum():
            return value.value
        case tuple():
            return value._asdict() if hasattr(value, "_asdict") else list(value)
        case dict():
            return dict(value)
    if isinstance(value, _ADDRESSES):
        return str(getattr(value, "ip", value))
    raise TypeError(f"{type(value).__qualname__} is not JSON")
