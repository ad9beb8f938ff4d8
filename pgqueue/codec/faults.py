"""Parts of a value that JSON and PostgreSQL cannot hold exactly: their path, the part and the reason."""

import math
import re
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 190  # the reader in the worker goes 200 levels deep, including the levels around the value
MAX_DIGITS = 4300  # the longest integer that Python reads, see sys.set_int_max_str_digits
_LONG = 10**MAX_DIGITS
# Matches each number once, from its first digit: a match at every digit would take seconds for a megabyte of long numbers.
_LONG_NUMBER = re.compile(rf"(?<!\d)\d{{{MAX_DIGITS + 1}}}")
_CONSTANTS = frozenset({bool, type(None)})
_SCALARS = frozenset({int, bool, type(None)})
Path = tuple[str | int, ...]
Fault = tuple[Path, Any, str]


def faults(value: Any, path: Path = (), tuples: bool = False) -> Iterator[Fault]:
    """Find the parts of a value that would not come back unchanged.

    Args:
        value: a value to store without a hint.
        path: the path of the value, for the faults.
        tuples: let tuples through; they come back as lists.
    """
    kind = type(value)
    if kind in _CONSTANTS:
        return
    if kind is int:
        if not -_LONG < value < _LONG:
            yield path, value, f"it has more than {MAX_DIGITS} digits; give it as text"
    elif kind is str:
        yield from _text_faults(value, path)
    elif kind is float:
        if not math.isfinite(value):
            yield path, value, "JSON has no such number"
    elif kind is dict:
        for key, part in value.items():
            if type(key) is not str:
                yield (*path, str(key)), key, f"a key in JSON is text, not {type(key).__name__}"
            else:
                yield from _text_faults(key, (*path, key))
            yield from _parts(part, (*path, key if type(key) is str else str(key)), tuples)
    elif kind is list or (kind is tuple and tuples):
        for index, part in enumerate(value):
            yield from _parts(part, (*path, index), tuples)
    else:
        yield path, value, f"JSON has no {kind.__qualname__}; a type hint says how to store it"


def _parts(value: Any, path: Path, tuples: bool) -> Iterator[Fault]:
    if len(path) > MAX_DEPTH:
        yield path[:3], value, f"it is nested more than {MAX_DEPTH} levels deep"
    else:
        yield from faults(value, path, tuples)


def _text_faults(text: str, path: Path) -> Iterator[Fault]:
    if "\x00" in text:
        yield path, text, "PostgreSQL cannot store the character NUL (\\u0000)"
    elif not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            yield path, text, "half of a surrogate pair is not valid text"


def is_exact(value: Any, depth: int = 0, tuples: bool = False) -> bool:
    """Whether a value has no faults except NUL and long integers: like `faults` without a list, and several times as fast."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is str:
        return value.isascii() or not any(_text_faults(value, ()))
    if kind is float:
        return math.isfinite(value)
    if depth > MAX_DEPTH:
        return False
    if kind is dict:
        for key, part in value.items():
            if not (type(key) is str and (key.isascii() or not any(_text_faults(key, ())))):
                return False
            if type(part) not in _SCALARS and not is_exact(part, depth + 1, tuples):
                return False
        return True
    return (kind is list or (kind is tuple and tuples)) and all(
        type(part) in _SCALARS or is_exact(part, depth + 1, tuples) for part in value
    )


def may_be_too_long(text: str) -> bool:
    """Whether JSON text may hold an integer that Python cannot read."""
    return len(text) > MAX_DIGITS and _LONG_NUMBER.search(text) is not None
