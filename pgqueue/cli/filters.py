"""The options of a filter, for every command that acts on many jobs or lists them."""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import wraps
from typing import Annotated, Any, get_args, get_type_hints

import typer

from .._checks import invalid
from ..control.filters import filter_json
from .enqueue import json_of
from .options import State
from .times import read_when

ENDED = {State.succeeded, State.failed, State.cancelled}
Texts = list[str] | None
Command = Callable[..., None]


def _option(kind: Any, metavar: str, help: str, name: str | None = None) -> Any:
    names = () if name is None else (name,)
    return Annotated[kind, typer.Option(*names, metavar=metavar, help=help, rich_help_panel="Filter: which jobs")]


# By the name of the parameter of the command.
OPTIONS: Mapping[str, Any] = {
    "state": _option(list[State] | None, "STATE", f"In this state: {', '.join(State)}. May be repeated, as all names here."),
    "queue": _option(Texts, "NAME", "Of this queue."),
    "task": _option(Texts, "NAME", "Of this task; * stands for any text: 'mail.*'."),
    "error": _option(Texts, "TYPE", "With this type of its last error, as lists show it: ValueError, httpx.ReadTimeout."),
    "reason": _option(Texts, "REASON", "That ended for this reason: error, timeout, crashed."),
    "fingerprint": _option(Texts, "HEX", "Dead letters with this fingerprint; see pgqueue dead --group."),
    "where": _option(str | None, "JSON", """Whose arguments contain this: '{"customer": 5}'."""),
    "meta": _option(str | None, "JSON", "Whose meta contains this."),
    "since": _option(
        str | None,
        "TIME",
        "Created since then: 2h means two hours ago; or a time. With a --state of jobs that are over: ended since.",
    ),
    "until": _option(str | None, "TIME", "The same, before then."),
    "limit_key": _option(str | None, "KEY", "With this key of a limit: tenant:42.", "--limit-key"),
    "workflow": _option(int | None, "ID", "Of this workflow."),
    "schedule": _option(str | None, "NAME", "Of this schedule."),
    "worker": _option(str | None, "UUID", "That this worker runs, or ran last."),
    "filter_fields": _option(str | None, "JSON", """Any field of a filter: '{"run_at_before": "+10 minutes"}'.""", "--filter"),
}


TEXT: Mapping[str, Any] = {
    "text": Annotated[
        Texts,
        typer.Argument(metavar="[FILTER]...", help="Terms of a filter: 'queue:mail state:failed since:2h'. See docs/filters.md."),
    ]
}


def filtered(state: State | None = None) -> Callable[[Command], Command]:
    """Give a command a filter as text, and its options, in place of its parameter `filter`, which gets the fields as one dict.

    `filter_json(filter)` is the filter as SQL takes it: "{}" if no option was given.

    Args:
        state: the state of the jobs that the command is about, if there is one; --state changes it.
    """

    return expanded("filter", {**TEXT, **OPTIONS}, lambda given: read_filter(given, state, given["text"]))


def expanded(
    parameter: str, options: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Any]
) -> Callable[[Command], Command]:
    """Give a command these options in place of one parameter, which gets what `read` makes of their values.

    Args:
        parameter: the name of the parameter.
        options: the annotation of each option by its name; the default of a flag is False, of any other option None.
        read: takes the values by name.
    """

    def with_options(command: Command) -> Command:
        @wraps(command)
        def run(**given: Any) -> None:
            values = {name: given.pop(name) for name in options}
            command(**given, **{parameter: read(values)})

        parameters: list[inspect.Parameter] = []
        for name, its in inspect.signature(command).parameters.items():
            parameters += map(_parameter, options, options.values()) if name == parameter else [its]
        hints = {**get_type_hints(command, include_extras=True), **options}
        del hints[parameter], run.__dict__["__wrapped__"]
        run.__annotations__ = hints
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return run

    return with_options


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    default = False if get_args(annotation)[0] is bool else None
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)


def read_filter(options: Mapping[str, Any], state: State | None = None, text: Sequence[str] | None = None) -> dict[str, Any]:
    """The fields of a filter, as `filter_json` takes them.

    Args:
        options: by the names of OPTIONS.
        state: the state that the command is about, if there is one: it decides which time --since means.
        text: terms of a filter as text.

    Raises:
        InvalidArgument: a value is no JSON object, or no time.
    """
    fields: dict[str, Any] = {
        "state": [one.value for one in options["state"] or ()] or (state and [state.value]),
        "queue": options["queue"] or None,
        "task": options["task"] or None,
        "error_type": options["error"] or None,
        "reason": options["reason"] or None,
        "fingerprint": options["fingerprint"] or None,
        "args": _object("where", options["where"]),
        "meta": _object("meta", options["meta"]),
        "limit": options["limit_key"],
        "workflow": options["workflow"],
        "schedule": options["schedule"],
        "worker": options["worker"],
        **(_times(options, state) if not text else {"q": " ".join([*text, *_terms(options)])}),
    }
    fields |= _object("filter", options["filter_fields"]) or {}
    return {name: value for name, value in fields.items() if value is not None}


def _times(options: Mapping[str, Any], state: State | None) -> dict[str, Any]:
    states = set(options["state"] or ([state] if state else ()))
    which = "finished" if states and states <= ENDED else "created"
    return {
        f"{which}_after": options["since"] and read_when("since", options["since"]),
        f"{which}_before": options["until"] and read_when("until", options["until"]),
    }


def _terms(options: Mapping[str, Any]) -> Iterator[str]:
    """--since and --until as terms of a text: SQL knows which states it names, and so which time they mean."""
    for name in ("since", "until"):
        if options[name]:
            when = read_when(name, options[name])
            yield f"{name}:{-when.total_seconds():.6f}" if isinstance(when, timedelta) else f"{name}:{when.isoformat()}"


def _object(field: str, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    remedy = """give a JSON object, for example '{"customer": 5}'"""
    value = json.loads(json_of(field, text, remedy))
    if not isinstance(value, dict):
        raise invalid(field, text, remedy)
    return value


__all__ = ["OPTIONS", "filter_json", "filtered", "read_filter"]
