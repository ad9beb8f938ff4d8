"""What JSON holds exactly. Where a hint leaves a value open, it must be of the types that JSON itself has: a set would come back
as a list and a datetime as text, and nobody would have said so."""

import collections.abc
import math
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, WrapSerializer
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ._hints import NO_HINT

MAX_DEPTH = 190  # what reads it at run goes 200 levels deep, those around it included
_SCALARS = frozenset({int, bool, type(None)})
_PLAIN = frozenset({str, int, float, bool, type(None)})
_GENERIC = frozenset(
    {list, dict, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Mapping, collections.abc.MutableMapping}
)
Path = tuple[str | int, ...]
Fault = tuple[Path, Any, str]


class Found:
    """A wrong value in an error's context. pydantic renders whatever stands there, and there are values that it cannot render."""

    def __init__(self, path: Path, value: Any) -> None:
        self.path, self.value = path, value

    def __repr__(self) -> str:
        return "a wrong value"


def faults(value: Any, path: Path = ()) -> Iterator[Fault]:
    """What in a value JSON cannot hold: where, what and why."""
    kind = type(value)
    if kind is str:
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
            yield from _parts(part, (*path, key if type(key) is str else str(key)))
    elif kind is list or kind is tuple:
        for index, part in enumerate(value):
            yield from _parts(part, (*path, index))
    elif kind not in _SCALARS:
        yield path, value, f"JSON has no {kind.__qualname__}; a type hint says how to store it"


def _parts(value: Any, path: Path) -> Iterator[Fault]:
    if type(value) in _SCALARS:
        return
    if len(path) > MAX_DEPTH:
        yield path[:3], value, f"it is nested more than {MAX_DEPTH} levels deep"
    else:
        yield from faults(value, path)


def _text_faults(text: str, path: Path) -> Iterator[Fault]:
    if "\x00" in text:
        yield path, text, "PostgreSQL cannot store the character NUL (\\u0000)"
    elif not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            yield path, text, "half of a surrogate pair is no text"


def _is_exact(value: Any, depth: int) -> bool:
    """Whether nothing is wrong with a value, NUL aside: `faults` without saying what, several times as fast."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is str:
        return value.isascii() or not any(faults(value))
    if kind is float:
        return math.isfinite(value)
    if depth > MAX_DEPTH:
        return False
    if kind is dict:
        for key, part in value.items():
            if not (type(key) is str and (key.isascii() or not any(faults(key)))):
                return False
            if type(part) not in _SCALARS and not _is_exact(part, depth + 1):
                return False
        return True
    return (kind is list or kind is tuple) and all(type(part) in _SCALARS or _is_exact(part, depth + 1) for part in value)


def _checked(value: Any) -> Any:
    if not _is_exact(value, 0):
        for path, part, why in faults(value):
            raise PydanticCustomError("not_json", "{why}", {"why": why, "found": Found(path, part)})
    return value


class _Json:
    """Lets pydantic take what JSON holds exactly."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.json_or_python_schema(core_schema.any_schema(), core_schema.no_info_plain_validator_function(_checked))


Json = Annotated[Any, _Json()]


def _in_order(value: Any, serialize: Any) -> list[Any]:
    return sorted(serialize(value), key=repr)


# The order of a set differs from process to process, but equal arguments must be equal text.
_ORDERED = WrapSerializer(_in_order, when_used="json")


def exact(hint: Any) -> Any:
    """The hint with `Any`, also in containers, replaced by what JSON holds exactly."""
    if hint is NO_HINT or hint is Any or hint is object:
        return Json
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return Annotated[(exact(parts[0]), *hint.__metadata__)]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(exact(part) for part in parts)]  # noqa: UP007 the members are known at run time only
    container = origin or hint
    if isinstance(container, collections.abc.Hashable) and container in _GENERIC:
        return _exact_container(container, parts or _parts_of_bare(container))
    return hint


def _exact_container(container: Any, parts: tuple[Any, ...]) -> Any:
    if issubclass(container, collections.abc.Mapping):
        key, value = parts
        return container[str if key is Any else exact(key), exact(value)]
    made = container[tuple(part if part is ... else exact(part) for part in parts)]
    return Annotated[made, _ORDERED] if container in (set, frozenset) else made


def _parts_of_bare(container: Any) -> tuple[Any, ...]:
    if issubclass(container, collections.abc.Mapping):
        return (str, Any)
    return (Any, ...) if container is tuple else (Any,)


def is_plain(hint: Any) -> bool:
    """Whether values of this hint are in JSON what they are in Python."""
    if hint is NO_HINT or hint is Any or hint is object or hint is Json:
        return True
    if isinstance(hint, type) and not typing.get_args(hint):
        return hint in _PLAIN or hint is list or hint is dict
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is list or origin in (typing.Union, types.UnionType):
        return all(is_plain(part) for part in parts)
    return origin is dict and parts[0] in (str, Any) and is_plain(parts[1])
