"""A cost that is computed from the arguments of a task."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._checks import invalid
from .._text import named
from ..codec.parameters import Parameters
from ..errors import InvalidArgument
from .limit import check_whole

MOST_COST = 1_000_000
Cost = int | Callable[..., int]
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class CostFunction:
    """A function that computes a cost when a job is enqueued, from the arguments that it names.

    Attributes:
        function: the function of the application.
        names: the names of its parameters; None = it takes all arguments.
        required: the parameters without a default.
    """

    function: Callable[..., int]
    names: frozenset[str] | None
    required: frozenset[str]

    def check(self, task: str, parameters: Parameters) -> None:
        """Refuse a function that takes arguments which the task does not have.

        Raises:
            InvalidArgument: it takes such an argument.
        """
        if missing := self.required - parameters.names:
            raise InvalidArgument(
                f"cost: its function takes {named(missing)}, which task {task!r} does not have; it has {named(parameters.names)}"
            )

    def of(self, task: str, parameters: Parameters, args_json: str) -> int:
        """The cost of a call with these arguments. The function gets them as the handler will.

        Raises:
            InvalidArgument: the cost is not a whole number of 1 or more.
        """
        self.check(task, parameters)
        arguments: Mapping[str, Any] = {**parameters.defaults, **parameters.load(args_json)}
        wanted = arguments if self.names is None else {name: arguments[name] for name in self.names & arguments.keys()}
        cost = self.function(**wanted)
        check_whole(f"cost: what its function returned for task {task!r}", cost, 1, MOST_COST)
        return int(cost)


def read_cost(value: Any) -> int | CostFunction:
    """The value of the option `cost`.

    Raises:
        InvalidArgument: it is neither a number nor a function that takes arguments by name.
    """
    if not callable(value):
        check_whole("cost", value, 1, MOST_COST)
        return int(value)
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        parameters = None
    if (
        parameters is None
        or inspect.iscoroutinefunction(value)
        or any(p.kind not in (*_BY_NAME, p.VAR_KEYWORD) for p in parameters)
    ):
        raise invalid("cost", value, "use a whole number, or a function (def) that takes arguments of the task by name")
    own = [p for p in parameters if p.kind in _BY_NAME]
    names = None if len(own) < len(parameters) else frozenset(p.name for p in own)
    return CostFunction(value, names, frozenset(p.name for p in own if p.default is p.empty))
