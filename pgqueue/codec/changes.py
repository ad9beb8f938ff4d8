"""Find values that would not arrive as they were sent: each value is compared with its converted form, in value and type.

A hint converts values of other types, which is its purpose: "42" for an `int`, a dict for a dataclass. A value of its own type
must stay unchanged, and no number may become another number.
"""

import dataclasses
import functools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import datetime, time
from decimal import Decimal
from itertools import chain
from operator import is_
from typing import Any

from pydantic import BaseModel

from .._text import shortened
from .faults import Fault

Compare = Callable[[Any, Any], list[Fault]]
_NUMBERS = (int, float, Decimal)
_SEQUENCES = (list, tuple, deque)
_FINE: list[Fault] = []


def is_untouched(given: Any, made: Any) -> bool:
    """Whether validation has changed no type and dropped nothing: like `converted`, without the list and much faster."""
    if given is made:
        return True
    kind = type(given)
    if kind is not type(made):
        return False
    if kind is dict:
        return (
            len(given) == len(made)
            and all(map(is_, given, made))
            and (all(map(is_, given.values(), made.values())) or all(map(is_untouched, given.values(), made.values())))
        )
    if kind is list or kind is tuple:
        return len(given) == len(made) and (all(map(is_, given, made)) or all(map(is_untouched, given, made)))
    return not isinstance(given, Mapping | deque)


def are_untouched(given: Sequence[dict[str, Any]], made: Sequence[dict[str, Any]]) -> bool:
    """`is_untouched` for many sets of arguments; most sets are plain."""
    values: Iterable[Any] = chain.from_iterable(map(dict.values, given))
    return all(map(is_, values, chain.from_iterable(map(dict.values, made)))) or is_untouched(given, made)


def converted(given: Any, made: Any) -> list[Fault]:
    """Unwanted changes that a hint has made: a subclass that is lost, a number that is rounded, a key that is dropped."""
    if given is made:
        return _FINE
    kind, to = type(given), type(made)
    if isinstance(given, Mapping):
        if isinstance(made, Mapping):
            return [((), given, _as(made, kind))] if kind is not to and isinstance(given, to) else _keys(given, made, converted)
        return _at((name, converted(given[name], value)) for name, value in _fields(made).items() if name in given)
    if kind in _SEQUENCES and to in _SEQUENCES:
        return _at((index, converted(part, its)) for index, (part, its) in enumerate(zip(given, made, strict=False)))
    if kind is to:
        return _FINE
    if isinstance(given, to):
        return [((), given, _as(made, kind))]
    if isinstance(given, _NUMBERS) and isinstance(made, _NUMBERS) and not _is_same_number(given, made):
        return [((), given, f"it would arrive as {shortened(made)}")]
    return _FINE


def changed(sent: Any, made: Any) -> list[Fault]:
    """Find parts that arrive changed in value or type. An integer for a float is unchanged if the number is equal."""
    if sent is made:
        return _FINE
    kind: Any = type(sent)
    to: Any = type(made)
    if kind is not to:
        if kind is not int or to not in (float, Decimal):
            return [((), sent, _as(made, kind))]
    elif isinstance(sent, dict):
        return _keys(sent, made, changed)
    elif isinstance(sent, _SEQUENCES):
        if len(sent) == len(made):
            return _at((index, changed(part, its)) for index, (part, its) in enumerate(zip(sent, made, strict=True)))
    elif (names := _names(kind)) is not None:
        faults = _at((name, changed(getattr(sent, name, None), getattr(made, name, None))) for name in names)
        return faults or (changed(sent.model_extra, made.model_extra) if isinstance(sent, BaseModel) else _FINE)
    if _is_same(sent, made):
        return _FINE
    return [((), sent, f"it would arrive as {shortened(made)}; use a hint that stores it as it is, or pass it in another form")]


def _at(parts: Iterable[tuple[str | int, list[Fault]]]) -> list[Fault]:
    found = [((step, *path), value, why) for step, faults in parts if faults for path, value, why in faults]
    return found or _FINE


def _keys(given: Mapping[Any, Any], made: Mapping[Any, Any], compare: Compare) -> list[Fault]:
    """Compare the keys of two mappings in their order, because keys may have been converted."""
    if len(given) > len(made):
        lost = next((key for key in given if key not in made), next(iter(given)))
        why = "it would be lost: the hint has no such key, or its text equals that of another key"
        return [((str(lost),), given[lost], why)]
    found: list[Fault] = []
    for (key, value), (its_key, its) in zip(given.items(), made.items(), strict=False):
        if key != its_key and key in made:  # keys of a TypedDict are in the order of its definition
            its_key, its = key, made[key]
        if faults := compare(key, its_key) or compare(value, its):
            found += _at([(str(key), faults)])
    return found or _FINE


def _fields(made: Any) -> dict[str, Any]:
    return getattr(made, "__dict__", None) or {}


@functools.lru_cache(maxsize=1024)
def _names(kind: type) -> tuple[str, ...] | None:
    """The fields by which objects of a class are compared; None if the class has its own comparison."""
    if issubclass(kind, BaseModel):
        return tuple(kind.model_fields)
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind) if field.compare)
    return None


def _is_same_number(given: Any, made: Any) -> bool:
    """Whether two numbers are the same. A float equals a Decimal with the same text: the float 0.1 is Decimal("0.1")."""
    if isinstance(given, float) or isinstance(made, float):
        given, made = (Decimal(repr(n)) if type(n) is float else n for n in (given, made))
    return bool(given == made)


def _is_same(sent: Any, made: Any) -> bool:
    if isinstance(sent, datetime | time):  # ZoneInfo arrives as an offset; == is false in the repeated hour of a clock change
        return bool(sent.replace(tzinfo=None) == made.replace(tzinfo=None) and sent.utcoffset() == made.utcoffset())
    if isinstance(sent, Decimal) and isinstance(made, Decimal):
        return bool(sent.as_tuple() == made.as_tuple())
    if isinstance(sent, Set):
        return bool(sent == made) and Counter(map(type, sent)) == Counter(map(type, made))
    if not any("__eq__" in vars(kind) for kind in type(sent).__mro__[:-1]):  # it is compared by identity
        return not changed(_fields(sent), _fields(made))
    try:
        return bool(sent == made)
    except Exception:  # raised by a user's class
        return False


def _as(made: Any, kind: type) -> str:
    what = f"it would arrive as {type(made).__qualname__}, not as {kind.__qualname__}"
    return f"{what}; change the hint, or pass a value of the hint's type"
