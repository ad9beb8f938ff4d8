"""Every call of `pgqueue.database.calls`, with parameters of the right types, to look at or to run its statement."""

import inspect
import pkgutil
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from uuid import UUID

from pgqueue.database import Call, calls
from pgqueue.database.calls import doctor

PLAIN: Mapping[Any, Any] = {
    int: 1, float: 1.5, bool: True, bytes: b"digest", UUID: UUID(int=7), datetime: datetime(2030, 1, 31, tzinfo=UTC),
}  # fmt: skip
# Texts that are read as something else than text, by the name of the parameter.
TEXTS: Mapping[str, str] = {
    "token": str(UUID(int=8)), "worker": str(UUID(int=9)), "xid": "1000", "noun": doctor.NOUNS[0], "query": "select 8 as n",
    "arguments": '{"n": null}', "name": "name", "by": "task", "kind": "queue", "filter": "{}", "lane": "name", "task": "task",
    "span": "1 day",
}  # fmt: skip
NAMES = {"schema", "schema_name"}


def every_call(schema: str = "pgqueue") -> Iterator[tuple[str, Call[Any]]]:
    """Each call with a name: with what it must be given and options that are all defaults, then with all that it takes."""
    for module in pkgutil.iter_modules(calls.__path__):
        of_module = vars(import_module(f"{calls.__name__}.{module.name}"))
        for name, function in of_module.items():
            if not name.startswith("_") and _makes_calls(function, module.name):
                yield from _calls_of(f"{module.name}.{name}", function, schema)


def _makes_calls(value: Any, module: str) -> bool:
    return (
        inspect.isfunction(value)
        and value.__module__.endswith(f".{module}")
        and "Call[" in str(inspect.signature(value).return_annotation)
    )


def _calls_of(name: str, function: Callable[..., Call[Any]], schema: str) -> Iterator[tuple[str, Call[Any]]]:
    hints = typing.get_type_hints(function)
    parameters = list(inspect.signature(function).parameters.values())
    for is_full in (False, True):
        given = {
            each.name: schema if each.name in NAMES else _value(each.name, hints[each.name], is_full)
            for each in parameters
            if is_full or each.default is inspect.Parameter.empty
        }
        for variant in _variants(hints, given):
            yield name, function(**variant)


def _variants(hints: Mapping[str, Any], given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One for each value of a choice, because the statement may depend on it."""
    if "noun" in given:
        yield from (given | {"noun": noun} for noun in doctor.NOUNS)
    for name, hint in hints.items():
        if name in given and typing.get_origin(hint) is typing.Literal:
            yield from (given | {name: choice} for choice in typing.get_args(hint))
            return
    yield given


def _value(name: str, hint: Any, is_full: bool) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
        return _value(name, hint.__value__, is_full)
    if origin in (typing.Union, types.UnionType):
        return _value(name, arguments[0], is_full) if is_full else None
    if origin is typing.Literal:
        return arguments[0]
    if origin is tuple:
        each_of = [arguments[0]] * 3 if arguments[-1] is ... else arguments  # of any length: keys of a page
        return tuple(_value(name, each, is_full) for each in each_of)
    if origin in (list, Sequence, Collection):
        return [_value(name, arguments[0], True)]
    if origin is Mapping:
        return {}
    if inspect.isclass(hint) and issubclass(hint, tuple):
        if not is_full and hint.__annotations__.keys() == getattr(hint, "_field_defaults", {}).keys():
            return hint()
        fields = typing.get_type_hints(hint)
        return hint(*(_value(field, fields[field], is_full) for field in hint.__annotations__))
    if origin is not None and origin is not Callable:
        return _value(name, origin, is_full)
    if origin is Callable:
        return lambda text: text
    if hint in PLAIN:
        return PLAIN[hint]
    return TEXTS.get(name, "{}")  # text, or anything
