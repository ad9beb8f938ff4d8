"""How a handler is called: its arguments by name, the values that the worker passes by annotation, sync or async."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NoReturn, TypeVar

from .._json import loads
from .._text import named, shown
from ..errors import ConfigurationError, InvalidArgument
from .adapter import Unfinished, Unfit, adapter
from .arguments import Arguments
from .callables import is_async, signature_of
from .exact import exact, is_plain
from .hints import NO_HINT, injected_type, is_context, is_injected, resolve, resolved_or_none
from .results import Results, stored
from .schema import schema_of

T = TypeVar("T")

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Parameters:
    """The arguments and the result of one task, checked and converted by the function's type hints.

    A hint with a name that does not exist yet is looked up again when the task is first used, and is ignored if it still cannot
    be resolved.

    Args:
        task: its name, for messages.
        function: the handler.

    Attributes:
        context_name: the parameter that takes the JobContext, or None.
        names, required: the names of the arguments; required arguments have no default.
        defaults: the defaults of the other arguments.
        is_async: whether the handler is a coroutine function.
        load: makes arguments for the handler from JSON text; raises InvalidArgument when they do not fit the function (any more).

    Raises:
        ConfigurationError: a parameter cannot be stored by name, or its hint has no JSON form.
    """

    def __init__(self, task: str, function: Callable[..., Any]) -> None:
        self._task, self._function = task, function
        self.is_async = is_async(function)
        signature = signature_of(task, function)
        parameters = list(signature.parameters.values())
        for parameter in parameters:
            if parameter.kind not in _BY_NAME:
                raise ConfigurationError(
                    f"task {task!r}: parameter {parameter.name!r} is not valid; arguments are stored by name, "
                    "so *args, **kwargs and positional-only parameters cannot be used"
                )
        self.context_name = next((p.name for p in parameters if is_context(function, p.annotation)), None)
        self._injected = {p.name: p.annotation for p in parameters if is_injected(function, p.annotation)}
        own = [p for p in parameters if p.name != self.context_name and p.name not in self._injected]
        self._positional = [p.name for p in own if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        self._annotations = {p.name: p.annotation for p in own}
        self._returns = signature.return_annotation
        self.names = frozenset(self._annotations)
        self.required = frozenset(p.name for p in own if p.default is inspect.Parameter.empty)
        self.defaults = {p.name: p.default for p in own if p.name not in self.required}
        self._behind: dict[str, Arguments] = {}  # by the parameter that is omitted
        self._arguments = self._whole(*self._new_arguments())
        # Not a method: it is called for each job.
        self.load: Callable[[str], dict[str, Any]] = self._arguments.load if self._arguments else self._load_first
        self._results = self._whole(*self._new_results())

    @cached_property
    def injected(self) -> dict[str, type]:
        """The types of the parameters annotated `Inject[T]`, by name.

        Raises:
            ConfigurationError: a type cannot be imported at run time.
        """
        try:
            return {name: injected_type(resolve(self._function, hint)) for name, hint in self._injected.items()}
        except NameError as error:
            raise ConfigurationError(
                f"task {self._task!r}: injected types must be known at run time; import them outside of TYPE_CHECKING: {error}"
            ) from None

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of a call by name, as they were given.

        Raises:
            InvalidArgument: there are too many, unknown, repeated or missing arguments; the message names them.
        """
        bound = self._bound(args, kwargs)
        if len(bound) < len(self._annotations) and not self.required <= bound.keys():
            self._refuse(f"misses {named(self.required - bound.keys())}")
        return bound

    def bind_part(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """`bind` for a call that may take the result of another: one argument may be missing, which the result fills.

        Raises:
            InvalidArgument: see `bind`.
        """
        bound = self._bound(args, kwargs)
        if not self.required <= bound.keys():
            self.bind_behind(bound, len(args))
        return bound

    def bind_behind(self, bound: dict[str, Any], positional: int) -> tuple[str, dict[str, Any]]:
        """Arguments of a call that takes the result of another as its first argument, before the given arguments.

        Args:
            bound: the arguments from `bind_part`.
            positional: how many arguments, from the first, were given by position.

        Returns:
            The parameter that takes the result (the first that is not given by name), and the other arguments by name.

        Raises:
            InvalidArgument: no parameter is left for the result, or arguments are repeated or missing.
        """
        given = list(bound.items())
        by_name = dict(given[positional:])
        takes = next((name for name in self._annotations if name not in by_name), None)
        if takes is None or len(bound) >= len(self._annotations):
            self._refuse(
                "has no argument left for the result of its parent; use si(…), which takes no result, instead of s(…) or map"
            )
        places = self._positional[self._positional.index(takes) + 1 :] if takes in self._positional else []
        if positional > len(places):
            self._refuse(f"takes {len(places)} positional arguments behind {takes!r}, {positional} were given")
        moved = dict(zip(places, (value for _, value in given[:positional]), strict=False))
        if doubled := moved.keys() & by_name.keys():
            self._refuse(f"got {named(doubled)} twice: its first argument is the result of its parent")
        behind = {**moved, **by_name}
        if missing := self.required - behind.keys() - {takes}:
            self._refuse(f"misses {named(missing)}")
        return takes, behind

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        bound = dict(zip(self._positional, args, strict=False))
        if len(args) > len(self._positional):
            self._refuse(f"takes {len(self._positional)} positional arguments, {len(args)} were given")
        if kwargs:
            if doubled := bound.keys() & kwargs.keys():
                self._refuse(f"got {named(doubled)} twice")
            if unknown := kwargs.keys() - self._annotations.keys():
                self._refuse(f"has no argument {named(unknown)}; it takes {named(self._annotations)}")
            bound.update(kwargs)
        return bound

    def dump(self, bound: dict[str, Any]) -> str:
        """Arguments as JSON text.

        Raises:
            InvalidArgument: some do not fit their hints; the message names task, field and value.
        """
        return (self._arguments or self._settled_arguments()).dump(bound)

    def dump_behind(self, bound: dict[str, Any], takes: str) -> str:
        """Arguments as JSON text, without the argument that takes a parent's result.

        Raises:
            InvalidArgument: some do not fit their hints.
        """
        rest = self._behind.get(takes)
        if rest is None:
            found = {name: self._hint(name, annotation) for name, annotation in self._annotations.items() if name != takes}
            hints = {name: NO_HINT if hint is None else hint for name, hint in found.items()}
            rest = self._behind[takes] = Arguments(self._task, hints, self.required - {takes})
        return rest.dump(bound)

    def dump_some(self, given: dict[str, Any]) -> str:
        """Some of the arguments as JSON text, for comparing; required arguments may be missing.

        Raises:
            InvalidArgument: some do not fit their hints.
        """
        found = {name: self._hint(name, self._annotations[name]) for name in given}
        hints = {name: NO_HINT if hint is None else hint for name, hint in found.items()}
        return Arguments(self._task, hints, frozenset()).dump(given)

    def json_schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments, with descriptions from hints or from the docstring, and defaults that are JSON."""
        defaults: dict[str, Any] = {}
        for name, value in self.defaults.items():
            try:
                defaults |= loads(self.dump_some({name: value}))
            except InvalidArgument:  # such as a marker of the function's own
                continue
        adapter = (self._arguments or self._settled_arguments()).adapter
        return schema_of(adapter, list(self._annotations), self.required, defaults, self._function)

    def dump_many(self, bound: Sequence[dict[str, Any]]) -> str:
        """Many sets of arguments as the text of one JSON array.

        Raises:
            InvalidArgument: some do not fit; the message names them by their position in the list.
        """
        return (self._arguments or self._settled_arguments()).dump_many(bound)

    def _load_first(self, text: str) -> dict[str, Any]:
        return (self._arguments or self._settled_arguments()).load(text)

    def dump_result(self, value: Any) -> str | None:
        """The result of the handler as JSON text, None for None.

        Raises:
            TypeError, ValueError: it has no JSON form.
        """
        return None if value is None else (self._results or self._settled_results()).dump(value)

    def load_result(self, value: Any) -> Any:
        """A decoded result as the type of the return annotation. A result that does not fit is returned unchanged."""
        return (self._results or self._settled_results()).load(value)

    def _settled_arguments(self) -> Arguments:
        """The arguments at first use. Hints that still cannot be resolved are ignored."""
        self._arguments, _ = self._new_arguments()
        self.load = self._arguments.load
        return self._arguments

    def _settled_results(self) -> Results:
        self._results, _ = self._new_results()
        return self._results

    def _new_arguments(self) -> tuple[Arguments, bool]:
        """The converter of the arguments, and whether it uses every hint."""
        found = {name: self._hint(name, annotation) for name, annotation in self._annotations.items()}
        hints = {name: NO_HINT if hint is None else hint for name, hint in found.items()}
        return Arguments(self._task, hints, self.required), None not in found.values()

    def _new_results(self) -> tuple[Results, bool]:
        hint = self._hint("return", self._returns)
        return Results(NO_HINT if hint is None else hint), hint is not None

    @staticmethod
    def _whole(codec: T, is_complete: bool) -> T | None:
        return codec if is_complete else None

    def _hint(self, name: str, annotation: Any) -> Any:
        """The type that an annotation refers to; None if it cannot be resolved yet."""
        hint = resolved_or_none(self._function, annotation)
        if name == "return":
            hint = stored(hint)
        if is_plain(hint):
            return hint
        try:
            adapter(exact(hint))
        except Unfinished:
            return None
        except Unfit as error:
            self._unfit(name, hint, error)
        return hint

    def _unfit(self, name: str, hint: Any, error: Unfit) -> NoReturn:
        where = "the returned value" if name == "return" else f"parameter {name!r}"
        injected = "" if name == "return" else f", annotate it Inject[{shown(hint)}] if the worker is to pass it,"
        raise ConfigurationError(
            f"task {self._task!r}: the type hint {shown(hint)} of {where} is not valid: {error}; "
            f"use a dataclass, a pydantic model or a type of the standard library{injected} or drop the hint"
        ) from None

    def _refuse(self, why: str) -> NoReturn:
        raise InvalidArgument(f"args: task {self._task!r} {why}")
