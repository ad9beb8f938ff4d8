"""Answers: ids as texts, times in UTC, secrets left out, and the JSON of users as it is stored."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from starlette.responses import Response

from .._json import Unreadable
from ..redact import Redactor
from . import exact

DEEP = "[nested too deep to be shown]"
JSON = "application/json"
# Names of ids, which JavaScript would round as numbers. Every name that ends in _id or _ids is one too.
_IDS = {"id", "ids", "retry_of", "runs_as", "duplicate_of", "depends_on", "last"}
# Values of users: nothing in them is an id of ours.
OF_USERS = {"args", "meta", "result", "value", "payload", "progress", "errors", "fields", "spec", "before", "after", "filter"}


def shown(value: Any, redactor: Redactor) -> Any:
    """A value of ours, such as a row or a list of rows, as it is answered.

    Args:
        value: of dicts, named tuples, dataclasses and lists; what stands under a name of `OF_USERS` is taken as it is.
        redactor: leaves secrets out.
    """
    return redactor.value(_ours(value, None))


def json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None, media_type: str = JSON) -> Response:
    """An answer with this value, which `shown` has made."""
    try:
        body = exact.shown(value)
    except TypeError:
        body = exact.shown(_shallow(value, 0))
    return Response(body, status, headers, media_type)


def _ours(value: Any, name: str | None) -> Any:
    if isinstance(value, dict):
        return {key: _of(key, one) for key, one in value.items()}
    if isinstance(value, list | frozenset | set):
        return [_ours(one, name) for one in value]
    if isinstance(value, tuple):
        if hasattr(value, "_fields"):
            return {key: _of(key, one) for key, one in zip(value._fields, value, strict=True)}
        return [_ours(one, name) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _of(field.name, getattr(value, field.name)) for field in fields(value)}
    if type(value) is int and name is not None and is_id(name):
        return str(value)
    return value


def _of(name: Any, value: Any) -> Any:
    return value if name in OF_USERS else _ours(value, name if isinstance(name, str) else None)


def is_id(name: str) -> bool:
    """Whether whole numbers under this name are ids."""
    return name in _IDS or name.endswith(("_id", "_ids"))


def _shallow(value: Any, depth: int) -> Any:
    """A copy whose deepest parts are replaced by a note: no writer of JSON is to fail over one row."""
    if isinstance(value, Unreadable) or depth > 200:
        return DEEP
    if isinstance(value, dict):
        return {name: _shallow(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [_shallow(one, depth + 1) for one in value]
    return value
