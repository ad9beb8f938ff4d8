"""The limits of one call: the keys, the arguments that they contain, the cost."""

import json
import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

from .._json import dumps
from .._text import named
from ..codec.parameters import Parameters
from ..database.calls.enqueue import LimitOptions
from ..errors import InvalidArgument
from ..options import Options
from ..registry import Registered
from .cost import CostFunction

_NAMES = re.compile(r"\{([^{}]*)\}")
_NONE: frozenset[str] = frozenset()


def check_limits(task: str, parameters: Parameters, options: Options) -> None:
    """Refuse keys and costs that need arguments which the task does not have.

    Raises:
        InvalidArgument: a template names another argument, or the function of the cost does.
    """
    for field, key in _templates(options):
        if "{" in _NAMES.sub("", key) or "}" in _NAMES.sub("", key):
            raise InvalidArgument(f"{field}: {key!r} has an unmatched brace; {{name}} stands for an argument")
        if unknown := _arguments_in(key) - parameters.names:
            raise InvalidArgument(
                f"{field}: {key!r} names {named(unknown)}, which task {task!r} does not have; it has {named(parameters.names)}"
            )
    if isinstance(options.cost, CostFunction):
        options.cost.check(task, parameters)


def completed(parameters: Parameters, options: Options, bound: dict[str, Any], takes: str | None = None) -> dict[str, Any]:
    """Arguments of a call, with defaults for missing arguments that its keys contain, so that SQL finds them."""
    if not options.is_limited:
        return bound
    missing = (parameters.defaults.keys() & named_in_keys(options)) - bound.keys() - {takes}
    return {**bound, **{name: parameters.defaults[name] for name in missing}} if missing else bound


def limiting(task: Registered[Any], options: Options, args_json: str, takes: str | None = None) -> LimitOptions | None:
    """The limits of a call in the form that `enqueue` takes; None for a call without limits.

    Args:
        task: the task that is called.
        options: the options of the call.
        args_json: its arguments as JSON text.
        takes: the argument that takes a parent's result.

    Raises:
        InvalidArgument: the cost is invalid, or a key or cost needs a result that is not known yet.
    """
    if not options.is_limited:
        return None
    if takes is not None:
        _refuse_result(task.name, options, takes)
    cost = options.cost
    if isinstance(cost, CostFunction):
        cost = cost.of(task.name, task.parameters, args_json)
    return _said(task, options, cost)


def limiting_all(task: Registered[Any], options: Options, what: str) -> LimitOptions | None:
    """`limiting` for many calls, without reading their arguments.

    Raises:
        InvalidArgument: the cost is a function of the arguments; `what` names the calls that cannot have one.
    """
    if not options.is_limited:
        return None
    if isinstance(options.cost, CostFunction):
        raise InvalidArgument(
            f"cost: {what} of task {task.name!r} cannot call a function for each job; give a number: using(cost=5)"
        )
    return _said(task, options, options.cost)


def chunk_options(task: Registered[Any], options: Options, calls: list[dict[str, Any]]) -> Options:
    """Options of one job that runs many calls: its cost is the sum of their costs.

    Raises:
        InvalidArgument: a key contains an argument.
    """
    if not options.is_limited:
        return options
    for field, key in _templates(options):
        if _arguments_in(key):
            raise InvalidArgument(
                f"chunks: {field}: {key!r} names an argument of task {task.name!r}, and a chunk has the arguments of many calls; "
                f"use a key without braces: using({field}=…)"
            )
    cost = options.cost
    if isinstance(cost, CostFunction):
        total = sum(cost.of(task.name, task.parameters, dumps(call)) for call in calls)
    else:
        total = (cost or 1) * len(calls)
    return replace(options, cost=total)


def assert_filled(options: Options, args_json: str) -> None:
    """Refuse arguments from which SQL could not make the keys, for use without a database.

    Raises:
        InvalidArgument: an argument that a key contains is missing, or null.
    """
    for field, key in _templates(options):
        for path in _NAMES.findall(key):
            value = json.loads(args_json)
            for step in path.split("."):
                value = _within(value, step)
            if value is None:
                raise InvalidArgument(
                    f"{field}: {key!r} is not valid; the arguments have no {path!r}, or it is null; give it, or name another one"
                )


def named_in_keys(options: Options) -> frozenset[str]:
    """The arguments that the keys of a call contain."""
    return _NONE.union(*(_arguments_in(key) for _, key in _templates(options)))


def _within(value: Any, step: str) -> Any:
    if isinstance(value, list):
        return value[int(step)] if step.isdecimal() and int(step) < len(value) else None
    return value.get(step) if isinstance(value, dict) else None


def _said(task: Registered[Any], options: Options, cost: int | None) -> LimitOptions:
    keys, declared = options.keys, task._app.limits.declared
    known = [key for key in keys if key in declared or key.partition(":")[0] in declared]
    return LimitOptions(list(keys) or None, options.fair, cost, known or None)


def _refuse_result(task: str, options: Options, takes: str) -> None:
    if isinstance(options.cost, CostFunction):
        raise InvalidArgument(
            f"cost: a function cannot compute it for task {task!r} behind a parent, whose result {takes!r} is not known yet; "
            "give a number: using(cost=5)"
        )
    for field, key in _templates(options):
        if takes in _arguments_in(key):
            raise InvalidArgument(
                f"{field}: {key!r} needs {takes!r}, which is the result of a parent of task {task!r} and not known yet; "
                "name another argument"
            )


def _templates(options: Options) -> list[tuple[str, str]]:
    fair = [] if options.fair is None else [("fair", options.fair)]
    return [("limits", key) for key in options.keys] + fair


@lru_cache(maxsize=4096)
def _arguments_in(key: str) -> frozenset[str]:
    """The arguments in a key. {name} and {name.inner} both contain the argument `name`."""
    return frozenset(path.split(".", 1)[0] for path in _NAMES.findall(key))
