"""Results of handlers as JSON text and back, by the return annotation of the function."""

import types
import typing
from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from .._json import with_floats
from .._text import shown
from ..outcomes import Cancel, RetryIn, Snooze
from .adapter import adapter, hidden_faults
from .changes import changed, converted
from .exact import exact, is_plain
from .faults import Fault
from .hints import NO_HINT
from .open import dump_open
from .refusal import described, wrong_values

_NOTHING = (typing.NoReturn, typing.Never, Snooze, Cancel, RetryIn)


class Results:
    """Converts the results of one task.

    Args:
        hint: the return annotation, see `stored`.

    Raises:
        Unfinished: the hint has a name that does not exist yet.
        Unfit: the hint has no JSON form.
    """

    def __init__(self, hint: Any) -> None:
        self._is_plain = is_plain(hint)
        self._unfit = "" if self._is_plain else f" and is not of type {shown(hint)}"
        self._adapter = adapter(exact(hint))

    def dump(self, value: Any) -> str | None:
        """A result as JSON text, None for None.

        Raises:
            TypeError, ValueError: the result has no JSON form.
        """
        if value is None:
            return None
        if not self._is_plain:
            with suppress(ValidationError):
                return self._converted(value)
        try:
            return dump_open(value, tuples=True)
        except ValueError as error:
            raise TypeError(f"the result cannot be stored{self._unfit}: {error}") from None

    def load(self, value: Any) -> Any:
        """A decoded result as the type of the annotation. A result that does not fit is returned unchanged."""
        if self._is_plain or value is None:
            return value
        try:
            return self._adapter.validator.validate_json(to_json(value))
        except ValidationError:
            return value

    def _converted(self, value: Any) -> str:
        serializer = self._adapter.serializer
        fitting = self._adapter.validator.validate_python(value)
        text = serializer.to_json(fitting, round_trip=True, by_alias=True, warnings=False).decode()
        if wrong := hidden_faults(serializer, fitting, text) or self._changes(value, fitting, text):
            raise ValueError(f"the result cannot be stored: {described(wrong)}")
        return with_floats(text)

    def _changes(self, value: Any, fitting: Any, text: str) -> list[Fault]:
        """The parts of a result that would not be read back as they were returned."""
        try:
            back = self._adapter.validator.validate_json(text)
        except ValidationError as error:
            raise ValueError(f"the result cannot be stored: {wrong_values(error, fitting)}") from None
        except Exception:  # a user's type may raise any error; it is reported where the result is requested
            return converted(value, fitting)
        return converted(value, fitting) or changed(fitting, back)


def stored(hint: Any) -> Any:
    """The part of a return annotation that is stored: of `Order | Snooze` only Order, because a Snooze is not a result."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return NO_HINT if hint in _NOTHING else hint
    kept = tuple(part for part in typing.get_args(hint) if part not in _NOTHING)
    return typing.Union[kept] if kept else NO_HINT  # noqa: UP007 the members are known only at run time
