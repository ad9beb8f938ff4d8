"""The options of an enqueue in a form, and back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...api import exact
from ..form import Form
from ..render import json_text

_MODES = ("until_done", "until_started", "replace", "period")
_ENDS = ("succeeded", "finished", "failed")


@dataclass(slots=True)
class Option:
    """An option of an enqueue.

    Attributes:
        name: of the field.
        label: what it is.
        hint: what may be given, or what it is otherwise.
        choices: its values; empty = any text.
        typed: what stands in it.
        error: what is wrong with it.
    """

    name: str
    label: str
    hint: str = ""
    choices: tuple[str, ...] = ()
    typed: str = ""
    error: str | None = None


def all_options() -> list[Option]:
    """All of them, empty."""
    return [
        Option("queue", "Queue", "as the task says, or default"),
        Option("priority", "Priority", "-100 to 100, or low, medium, high"),
        Option("run_after", "Run after, in seconds", "from now"),
        Option("run_at", "Run at", "2026-12-24T18:00:00Z: with its zone"),
        Option("retry", "Retries", "after the first run"),
        Option("timeout", "Timeout of a run, in seconds", "0: none"),
        Option("soft_timeout", "Warn after, in seconds", "or a share of the timeout: 80%"),
        Option("total_timeout", "Timeout of all runs, in seconds", "with the waits in between"),
        Option("expires_after", "Expires after, in seconds", "if it has not begun"),
        Option("result_ttl", "Keep the result, in seconds", "a day"),
        Option("unique", "Unique", choices=_MODES),
        Option("unique_key", "Key if unique", "user {id}; empty: all arguments"),
        Option("unique_period", "Period if unique, in seconds"),
        Option("limits", "Limits", "keys with commas: openai, tenant:42"),
        Option("fair", "Takes turns by", "tenant:42"),
        Option("cost", "Cost: tokens of each limit", "1"),
        Option("depends_on", "Waits for the jobs", "ids with commas: 17, 18"),
        Option("run_if", "Runs if these have", choices=_ENDS),
        Option("meta", "Meta, as JSON", '{"by": "support"}'),
    ]


def keep(options: list[Option], form: Form) -> None:
    """Write what was typed into the fields again."""
    for option in options:
        option.typed = form.get(option.name, "").strip()


def fill(options: list[Option], values: Mapping[str, Any]) -> None:
    """Write values into their fields."""
    for option in options:
        if (value := values.get(option.name)) is not None:
            is_plain = isinstance(value, str) and option.name != "meta"
            option.typed = value if is_plain else json_text(value, indented=False)


def read(options: list[Option]) -> tuple[dict[str, Any], bool]:
    """The options as POST /jobs takes them, and whether all could be read; what cannot is noted in its field."""
    body: dict[str, Any] = {}
    for option in options:
        if not option.typed:
            continue
        try:
            body[option.name] = _READ.get(option.name, _number)(option.typed)
        except (ValueError, RecursionError):
            option.error = "it is no JSON; a text stands in quotes"
    key, period = body.pop("unique_key", None), body.pop("unique_period", None)
    if key is not None or period is not None:
        body["unique"] = {"mode": body.get("unique", "until_done"), "key": key, "period": period}
    return body, not any(option.error for option in options)


def blame(options: list[Option], problem: Mapping[str, Any]) -> bool:
    """Note what the API says of options beside their fields. Returns whether it was about one."""
    by_name = {option.name: option for option in options}
    faults = problem.get("errors") or [problem]
    said = {str(one.get("field", "")).split(".")[0]: str(one.get("remedy", "")) for one in reversed(faults)}
    prefix, _, rest = str(problem.get("detail", "")).partition(": ")
    said.setdefault(prefix, rest)
    for name in said.keys() & by_name.keys():
        by_name[name].error = said[name]
    return bool(said.keys() & by_name.keys())


def _number(text: str) -> Any:
    """A number; any other text as it is: the API says what is wrong with it."""
    try:
        found = exact.read(text.encode())
    except (ValueError, RecursionError):
        return text
    return text if isinstance(found, str | bool | dict | list) or found is None else found


def _text(text: str) -> str:
    return text


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _json(text: str) -> Any:
    return exact.read(text.encode())


_READ: Mapping[str, Callable[[str], Any]] = {
    "queue": _text, "run_at": _text, "unique": _text, "unique_key": _text, "fair": _text, "run_if": _text,
    "limits": _list, "depends_on": _list, "meta": _json,
}  # fmt: skip
