"""Errors of pydantic in one line: the path, the value and the reason."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .._text import named, shortened
from .faults import Fault, Path

_MOST = 5  # fields that a message names


def described(faults: list[Fault]) -> str:
    """Wrong values in one line; the reasons of several types of a union for the same value are joined."""
    reasons: dict[str, list[str]] = {}
    for path, value, why in faults:
        text = shortened(value)
        where = ".".join(_step(step) for step in path)
        reasons.setdefault(f"{where} = {text}" if where else text, []).append(" ".join(why.split()))
    shown = [f"{what}: {', or '.join(dict.fromkeys(whys))}" for what, whys in list(reasons.items())[:_MOST]]
    return "; ".join(shown) + (f"; and {len(reasons) - _MOST} more" if len(reasons) > _MOST else "")


def _step(step: str | int) -> str:
    text = str(step)
    return text if text.isprintable() and len(text) <= 60 else shortened(text)


def explain(error: ValidationError, root: Any, known: Any, what: str) -> str:
    """An error that lists all wrong arguments.

    Args:
        error: the error of pydantic.
        root: the value that was validated.
        known: the names of the task's arguments.
        what: names what is refused, before the list of wrong values.
    """
    missing, unknown, wrong = [], [], []
    for detail in error.errors(include_url=False):
        loc = detail["loc"]
        if len(loc) == 1 and detail["type"] == "missing":
            missing.append(loc[0])
        elif len(loc) == 1 and detail["type"] == "extra_forbidden":
            unknown.append(loc[0])
        else:
            wrong.append(_fault(detail, root))
    parts = [
        f"misses {named(missing)}" if missing else "",
        f"has no argument {named(unknown)}; it takes {named(known)}" if unknown else "",
        f"{what} {described(wrong)}" if wrong else "",
    ]
    return "; ".join(part for part in parts if part)


def wrong_values(error: ValidationError, root: Any) -> str:
    """The list of wrong values only."""
    return described([_fault(detail, root) for detail in error.errors(include_url=False)])


def _fault(detail: ErrorDetails, root: Any) -> Fault:
    context = detail.get("ctx", {})
    if detail["type"] == "not_json":
        found = context["found"]
        return (*_path(detail["loc"], root), *found.path), found.value, context["why"]
    if detail["type"] == "missing":
        return (*_path(detail["loc"][:-1], root), detail["loc"][-1]), detail["input"], "this field is missing"
    return _path(detail["loc"], root), detail["input"], detail["msg"]


def _path(loc: Path, value: Any) -> Path:
    """The steps of a location that are in the value; other steps name members of unions and similar."""
    path: list[str | int] = []
    for step in loc:
        if isinstance(value, Mapping):
            found = step in value
            value = value[step] if found else value
        elif isinstance(step, int):
            found = isinstance(value, Sequence) and not isinstance(value, str) and step < len(value)
            value = value[step] if found else value
        else:
            found = hasattr(value, "__dict__") and step in vars(value)
            value = vars(value)[step] if found else value
        if found:
            path.append(step)
    return tuple(path) or loc[:1]
