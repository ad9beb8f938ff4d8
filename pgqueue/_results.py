"""What a handler returned, as JSON text and back, by the function's return annotation."""

import types
import typing
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from ._codec import NUL, adapter, hidden_faults
from ._exact import exact, faults, is_plain
from ._hints import NO_HINT
from ._json import dumps
from ._refusal import described, shown
from .outcomes import Cancel, RetryIn, Snooze

_NOTHING = (typing.NoReturn, typing.Never, Snooze, Cancel, RetryIn)


class Results:
    """Converts the results of one task.

    Args:
        hint: the return annotation, see `stored`.

    Raises:
        Unfinished: it names what does not exist yet.
        Unfit: it has no JSON form.
    """

    def __init__(self, hint: Any) -> None:
        self._is_plain = is_plain(hint)
        self._unfit = "" if self._is_plain else f" and is no {shown(hint)}"
        self._adapter = adapter(exact(hint))

    def dump(self, value: Any) -> str | None:
        """A result as JSON text, None for None.

        Raises:
            TypeError, ValueError: it has no JSON form.
        """
        if value is None:
            return None
        if self._is_plain:
            try:
                return _without_nul(value, dumps(value))
            except TypeError:  # such as a number of more than 64 bits, or a set where a list was announced
                pass
        try:
            return self._converted(value)
        except ValidationError:
            return self._as_it_is(value)

    def load(self, value: Any) -> Any:
        """A decoded result as the type of the annotation; one that does not fit stays as it is."""
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
        if wrong := hidden_faults(serializer, fitting, text):
            raise ValueError(f"the result cannot be stored: {described(wrong)}")
        return text

    def _as_it_is(self, value: Any) -> str:
        for path, part, why in faults(value):
            raise TypeError(f"the result cannot be stored{self._unfit}: {described([(path, part, why)])}")
        return _without_nul(value, to_json(value).decode())


def _without_nul(value: Any, text: str) -> str:
    if NUL in text and (wrong := list(faults(value))):
        raise ValueError(f"the result cannot be stored: {described(wrong)}")
    return text


def stored(hint: Any) -> Any:
    """What of a return annotation is stored: `Order | Snooze` returns an Order, or nothing that is kept."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return NO_HINT if hint in _NOTHING else hint
    kept = tuple(part for part in typing.get_args(hint) if part not in _NOTHING)
    return typing.Union[kept] if kept else NO_HINT  # noqa: UP007 the members are known at run time only
