"""JSON: fast for documents of pgqueue, exact for the values of users.

orjson, if installed, writes JSON, and reads documents of pgqueue. It reads integers of 2**64 and more as floats, and jsonb writes
floats from 1e16 on like integers, so numbers of users are handled separately.
"""

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

loads_own: Callable[[str | bytes], Any]
loads = json.loads  # numbers are unchanged; ValueError or RecursionError if Python cannot hold the document

# A number that jsonb would write without an exponent and without a point; or a string, which must not be changed.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?e\+?\d+')
_MARK = "e+"  # in each text that has such a number


class Unreadable(str):
    """JSON text that PostgreSQL holds and Python cannot: nested too deep, or an integer of more than 4300 digits."""

    __slots__ = ()


def readable(document: str | bytes) -> Any:
    """A JSON document; `Unreadable` text if Python cannot hold it, because one such row must not hide the other rows."""
    try:
        return json.loads(document)
    except (ValueError, RecursionError):
        return Unreadable(document if isinstance(document, str) else document.decode())


class Exact:
    """A number of JSON that Python would change: an integer beyond 64 bits, or one with a fraction or an exponent that a float
    does not write in the same way. Its text is kept.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Exact) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return self.text


def _exact_int(text: str) -> int | Exact:
    return int(text) if len(text) < 19 else Exact(text)


def _exact_float(text: str) -> float | Exact:
    number = float(text)
    return number if repr(number) == text else Exact(text)


def loads_exactly(document: str | bytes) -> Any:
    """A JSON document whose numbers can be written as they were read. Raises ValueError or RecursionError if it is none."""
    return json.loads(document, parse_int=_exact_int, parse_float=_exact_float)


def readable_exactly(document: str | bytes) -> Any:
    """`readable`, with numbers as `loads_exactly` reads them."""
    try:
        return loads_exactly(document)
    except (ValueError, RecursionError):
        return Unreadable(document if isinstance(document, str) else document.decode())


def with_floats(text: str) -> str:
    """JSON text from Python with a point added to large floats, so that they do not come back from jsonb as integers."""
    return _TOKEN.sub(_pointed, text) if _MARK in text else text


def _pointed(token: re.Match[str]) -> str:
    text = token[0]
    return text if text.startswith('"') else f"{Decimal(text):.1f}"


def _dumps_exactly(value: Any) -> str:
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    text.encode()  # half of a surrogate pair raises UnicodeEncodeError, which is a ValueError
    return text


try:
    import orjson
except ImportError:
    loads_own = json.loads

    def dumps(value: Any) -> str:
        """Value as JSON text. Raises TypeError or ValueError if it is not JSON."""
        return _dumps_exactly(value)
else:
    _PLAIN = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
    loads_own = orjson.loads
    if b"e+" not in orjson.dumps(1e16):  # before 3.12
        _MARK = "e"

    def dumps(value: Any) -> str:
        """Value as JSON text. Raises TypeError or ValueError if it is not JSON."""
        try:
            text = orjson.dumps(value, option=_PLAIN).decode()
        except TypeError as error:
            if "64-bit" not in str(error):
                raise
            return _dumps_exactly(value)
        if "null" in text:  # orjson writes null for values that JSON does not have
            _refuse_nan(value)
        return text

    def _refuse_nan(value: Any) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is not JSON")
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, list | tuple):
            return
        for part in value:
            _refuse_nan(part)
