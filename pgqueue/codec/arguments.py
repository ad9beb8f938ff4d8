"""The arguments of a task as JSON text: checked and converted by their hints when they are enqueued and when they run."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from .._json import with_floats
from ..errors import InvalidArgument
from .adapter import Fields, adapter, hidden_faults
from .changes import are_untouched, changed, converted, is_untouched
from .exact import exact, is_plain
from .faults import Fault
from .refusal import described, explain


class Arguments:
    """Converts the arguments of one task.

    Args:
        task: its name.
        hints: the hints by argument.
        required: the arguments without a default.

    Raises:
        Unfinished: a hint has a name that does not exist yet.
        Unfit: a hint has no JSON form.
    """

    def __init__(self, task: str, hints: Mapping[str, Any], required: frozenset[str]) -> None:
        self._task = task
        self._hint = Annotated[dict[str, Any], Fields({name: exact(hint) for name, hint in hints.items()}, required)]
        self._names = frozenset(hints)
        self._required = required
        self._is_plain = all(is_plain(hint) for hint in hints.values())
        self._one = adapter(self._hint)
        self._validate_json: Callable[[str], dict[str, Any]] = self._one.validator.validate_json

    @cached_property
    def _many(self) -> TypeAdapter[Any]:
        return adapter(list[self._hint])  # type: ignore[name-defined]

    @property
    def adapter(self) -> TypeAdapter[Any]:
        """What converts them, for their schema."""
        return self._one

    def dump(self, bound: dict[str, Any]) -> str:
        """Arguments as JSON text.

        Raises:
            InvalidArgument: some are wrong; the message names them.
        """
        if not bound and not self._required:
            return "{}"
        return self._dump(self._one, bound)

    def dump_many(self, bound: Sequence[dict[str, Any]]) -> str:
        """Many sets of arguments as the text of one JSON array.

        Raises:
            InvalidArgument: some are wrong; the message names them by their position in the list.
        """
        return self._dump(self._many, bound)

    def load(self, text: str) -> dict[str, Any]:
        """Arguments from JSON text.

        Raises:
            InvalidArgument: they do not fit the function (any more).
        """
        if text == "{}" and not self._required:
            return {}
        try:
            return self._validate_json(text)
        except ValidationError as error:
            self._refuse(error, _decoded(text))

    def _dump(self, to_json: TypeAdapter[Any], given: Any) -> str:
        serializer = to_json.serializer
        try:
            values = to_json.validator.validate_python(given)
        except ValidationError as error:
            self._refuse(error, given)
        untouched = are_untouched if to_json is not self._one else is_untouched
        if not untouched(given, values):
            self._assert_same(converted(given, values))
        try:
            text = serializer.to_json(values, round_trip=True, by_alias=True, warnings=False).decode()
        except (ValueError, TypeError, RecursionError) as error:
            self._unwritable(to_json, values, error)
        if wrong := hidden_faults(serializer, values, text, self._is_plain):
            raise self._error(f"cannot take {described(wrong)}")
        if not self._is_plain:  # text that cannot be read back must be refused here, not in a worker
            try:
                arrived = to_json.validator.validate_json(text)
            except ValidationError as error:
                self._refuse(error, _decoded(text))
            self._assert_same(changed(values, arrived))
        return with_floats(text)

    def _refuse(self, error: ValidationError, root: Any) -> NoReturn:
        raise self._error(explain(error, root, self._names, "cannot take")) from None

    def _assert_same(self, wrong: list[Fault]) -> None:
        if wrong:
            raise self._error(f"cannot take {described(wrong)}")

    def _unwritable(self, to_json: TypeAdapter[Any], values: Any, error: Exception) -> NoReturn:
        """pydantic does not report which argument it could not write, so each is tried separately."""
        for index, one in enumerate(values if isinstance(values, list) else [values]):
            for name, value in one.items():
                try:
                    self._one.serializer.to_json({name: value}, round_trip=True, by_alias=True, warnings=False).decode()
                except (ValueError, TypeError, RecursionError) as found:
                    path = (index, name) if isinstance(values, list) else (name,)
                    raise self._error(f"cannot take {described([(path, value, str(found))])}") from None
        raise self._error(f"cannot write its arguments: {error}") from None

    def _error(self, why: str) -> InvalidArgument:
        return InvalidArgument(f"args: task {self._task!r} {why}")


def _decoded(text: str) -> Any:
    """The text decoded by Python's own reader; None if it cannot read it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
