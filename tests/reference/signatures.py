"""What a signature and a docstring say of the arguments of a function or a class, as cells of a table."""

import inspect
import re
import textwrap
import types
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, Union, get_args, get_origin

Row = tuple[str, ...]
_SECTION = re.compile(r"^(Args|Attributes):\n(.*?)(?=^\S|\Z)", re.M | re.S)
_ENTRY = re.compile(r"^    (\w[\w, ]*): (.*?)(?=^    \w|\Z)", re.M | re.S)
_PLAIN = {str: "text", int: "number", float: "number", bool: "`True`, `False`", datetime: "datetime", type(None): ""}
_OURS = {"Callable": "function", "Registered": "task", "Signature": "call of a task"}
_UNRESOLVED = {"DependsOn | None": "jobs or their ids"}


def said_of(of: Any) -> dict[str, str]:
    """What the docstring of a function or class says of each argument; else of the attribute."""
    said: dict[str, str] = {}
    for section in _SECTION.finditer(inspect.getdoc(of) or ""):
        for names, text in _ENTRY.findall(section[2]):
            said = dict.fromkeys(re.split(r",\s*", names), " ".join(text.split())) | said
    return said


def arguments_of(of: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The named arguments of a function or class."""
    hidden = inspect.Parameter.VAR_KEYWORD
    given = inspect.signature(of).parameters
    return {name: one for name, one in given.items() if name not in ("self", "function") and one.kind != hidden}


def kind_of(hint: Any) -> str:
    """A type hint for readers."""
    if isinstance(hint, str):
        return _UNRESOLVED[hint]
    members = list(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else [hint]
    if timedelta in members and float in members:
        members = [one for one in members if one not in (timedelta, float)]
        return " or ".join(filter(None, ["seconds or timedelta", *map(_kind, members)]))
    return " or ".join(dict.fromkeys(filter(None, map(_kind, members))))


def _kind(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if hint is Any:
        return "any"
    if origin is Literal:
        return ", ".join(f'`"{one}"`' for one in inner)
    if inspect.isclass(origin) and issubclass(origin, Iterable):
        return f"list of {kind_of(inner[0])}"
    if origin is type:
        return "class"
    return _OURS.get((origin or hint).__name__) or f"`{(origin or hint).__name__}`"


def default_of(parameter: inspect.Parameter) -> str:
    """The default of an argument; nothing for one whose docstring says what None means."""
    if parameter.default is inspect.Parameter.empty:
        return "required"
    if parameter.default is None or parameter.default == ():
        return ""
    if isinstance(parameter.default, float):
        return f"`{parameter.default:.15g}`"
    if isinstance(parameter.default, timedelta):
        return f"`{parameter.default.total_seconds():.15g}`"
    return f"`{parameter.default!r}`".replace("'", '"')


def table(titles: Row, rows: Iterable[Row]) -> str:
    """A table of Markdown, without columns in which nothing stands."""
    shown = list(rows)
    used = [number for number, title in enumerate(titles) if number == 0 or any(row[number] for row in shown)]
    lines = [titles, ("---",) * len(titles), *shown]
    return "".join(f"| {' | '.join(_cell(line[number]) for number in used)} |\n" for line in lines)


def wrapped(text: str) -> str:
    """A paragraph in lines as long as those of the other pages."""
    return textwrap.fill(text, 140, break_long_words=False, break_on_hyphens=False) + "\n"


def escaped(text: str) -> str:
    """A text on one line, as Markdown that shows it as it is but for `code`."""
    parts = " ".join(text.split()).split("`")
    parts[::2] = [part.replace("*", "\\*").replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def _cell(text: str) -> str:
    return escaped(text).replace("|", "\\|")
