"""Native JSON values. A value without a type hint must be a native JSON type. Otherwise a set would silently come back as a list
and a datetime as text."""

import collections.abc
import types
import typing
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, WrapSerializer
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from .faults import Path, faults, is_exact
from .hints import NO_HINT

_PLAIN = frozenset({str, int, float, bool, type(None)})
_GENERIC = frozenset(
    {list, dict, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Mapping, collections.abc.MutableMapping}
)


class Found:
    """A wrong value in the context of an error, wrapped because pydantic renders the context and cannot render every value."""

    def __init__(self, path: Path, value: Any) -> None:
        self.path, self.value = path, value

    def __repr__(self) -> str:
        return "a wrong value"


def _checked(value: Any) -> Any:
    if not is_exact(value):
        for path, part, why in faults(value):
            raise PydanticCustomError("not_json", "{why}", {"why": why, "found": Found(path, part)})
    return value


class _Json:
    """Lets pydantic accept values that JSON holds exactly."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.json_or_python_schema(core_schema.any_schema(), core_schema.no_info_plain_validator_function(_checked))


Json = Annotated[Any, _Json()]


def _in_order(value: Any, serialize: Any) -> list[Any]:
    return sorted(serialize(value), key=_written)


def _written(part: Any) -> str:
    try:
        return repr(part)
    except ValueError:  # a long integer, which is refused later
        return ""


# The order of a set differs between processes, but equal arguments must give equal text.
_ORDERED = WrapSerializer(_in_order, when_used="json")


def exact(hint: Any) -> Any:
    """The hint with `Any`, also in containers, replaced by the type of values that JSON holds exactly."""
    if hint is NO_HINT or hint is Any or hint is object:
        return Json
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return Annotated[(exact(parts[0]), *hint.__metadata__)]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(exact(part) for part in parts)]  # noqa: UP007 the members are known at run time only
    container = list if origin is collections.abc.Iterable else origin or hint  # pydantic would turn it into a generator
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
    """Whether values of this hint are the same in JSON and in Python."""
    if hint is NO_HINT or hint is Any or hint is object or hint is Json:
        return True
    if isinstance(hint, type) and not typing.get_args(hint):
        return hint in _PLAIN or hint is list or hint is dict
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is list or origin in (typing.Union, types.UnionType):
        return all(is_plain(part) for part in parts)
    return origin is dict and parts[0] in (str, Any) and is_plain(parts[1])
