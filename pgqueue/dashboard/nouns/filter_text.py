"""Filters as text, as far as pages write them: which terms they have. What a term means is a rule of SQL, see read_filter."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...api import exact

# Also one that is not closed, up to the end: else each quote in it would be tried anew, and a filter of some kB takes minutes.
_QUOTED = r'"(?:[^"\\]|\\.?)*(?:"|\Z)'
_TERM = re.compile(rf'(?:[^\s"]|{_QUOTED})+', re.S)
_JSON = re.compile(r"true|false|null|-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?|[\[{].*", re.S)
_PLAIN = re.compile(r'[^\s",]+')
_PLAIN_KEY = re.compile(r'[^\s".:]+')
STATES = ("blocked", "scheduled", "ready", "running", "succeeded", "failed", "cancelled")
OVER = {"succeeded", "failed", "cancelled"}
_ENDS = {"ids", "id", "workflow", "since", "until"}  # terms by which a look at arguments comes to an end
MOST_IDS = 100  # of a filter in a link


def terms(text: str) -> list[str]:
    """The terms of a text."""
    return _TERM.findall(text)


def name_of(term: str) -> str:
    """The name of the field of a term; empty for a word alone."""
    found = re.match(r"([a-z_]+)[.:]", term)
    return found[1] if found else "id" if term.replace(",", "").isdecimal() else ""


def names(text: str) -> set[str]:
    """The names of all fields of a text."""
    return {name_of(term) for term in terms(text)}


def states(text: str) -> set[str]:
    """The states that a text names."""
    named = [term.partition(":")[2].lower().split(",") for term in terms(text) if name_of(term) == "state"]
    return {state for values in named for state in values if state}


def replaced(text: str, name: str, value: str | None) -> str:
    """A text with another value of a field; None = without it."""
    kept = [term for term in terms(text) if name_of(term) != name]
    return " ".join([*kept, *([] if value is None else [f"{name}:{quoted(value)}"])])


def bounded(text: str) -> str:
    """A text that looks for arguments, with an end: there is no index of arguments, so a look at all jobs takes long."""
    found = names(text)
    is_open = found & {"args", "meta"} and not found & _ENDS and not any(name.endswith("_after") for name in found)
    return f"{text} since:7d" if is_open else text


def quoted(value: str) -> str:
    """A value of a term; with quotes if it needs them."""
    return value if _PLAIN.fullmatch(value) else _in_quotes(value)


def text_of(filter: Mapping[str, Any]) -> str | None:
    """A checked filter as text.

    Args:
        filter: in its normal form, as SQL has checked it.

    Returns:
        The text; None if it would be too long for a link.
    """
    if len(filter.get("ids", ())) > MOST_IDS:
        return None
    written = " ".join(term for name, value in filter.items() for term in _written(name, value))
    return written if len(written) <= 4000 else None


def _written(name: str, value: Any) -> Iterator[str]:
    if name in ("args", "meta"):
        yield from _contained(name, value)
    elif name == "ids":
        yield f"id:{','.join(map(str, value))}"
    elif name == "error_type" and (short := [one for one in value if f"*.{one}" in value]) and len(short) * 2 == len(value):
        yield f"error:{','.join(map(quoted, short))}"
    elif isinstance(value, list):
        yield f"{name}:{','.join(map(quoted, value))}"
    else:
        yield f"{name}:{quoted(str(value))}"


def _contained(path: str, value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, Mapping) and value and depth < 15:
        for key, one in value.items():
            yield from _contained(f"{path}.{key if _PLAIN_KEY.fullmatch(key) else _in_quotes(key)}", one, depth + 1)
    elif isinstance(value, str):
        is_plain = re.fullmatch(r'[^\s"]+', value) and not _JSON.fullmatch(value)
        yield f"{path}:{value if is_plain else _in_quotes(value)}"
    else:
        yield f"{path}:{exact.write(value).decode()}"


def _in_quotes(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def ids_of(texts: Iterable[str]) -> list[str]:
    """Those texts that are ids, each once."""
    return list(dict.fromkeys(text for text in texts if text.isascii() and text.isdecimal() and len(text) < 20))
