"""The values of steps as JSON text and back, by the return annotation of the function."""

import inspect
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ..codec.adapter import Unfinished, Unfit
from ..codec.hints import NO_HINT, resolved_or_none
from ..codec.results import Results, stored
from ..errors import InvalidArgument, StepNotStored

MOST_HINTS = 256


class StepValue:
    """Converts the values of one step.

    Args:
        name: the name of the step, for messages.
        function: what the step calls.
        most: the largest size of a value as JSON, in bytes.

    Raises:
        InvalidArgument: its return annotation has no JSON form.
    """

    def __init__(self, name: str, function: Callable[..., Any], most: int) -> None:
        self._name, self._most = name, most
        try:
            self._results = _results(_hint(function))
        except Unfit as error:
            raise InvalidArgument(f"step {name!r}: the type hint of the returned value is not valid: {error}") from None

    def dump(self, value: Any) -> str | None:
        """A value as JSON text, None for None.

        Raises:
            StepNotStored: it has no JSON form, or is too large.
        """
        try:
            text = self._results.dump(value)
        except (TypeError, ValueError) as error:
            raise StepNotStored(f"step {self._name!r}: {error}") from error
        if text is not None and (size := len(text.encode())) > self._most:
            raise StepNotStored(
                f"step {self._name!r}: the result is {size} bytes of JSON, max_result_bytes is {self._most}; "
                "store it elsewhere and return its location, or raise the limit"
            )
        return text

    def load(self, text: str | None) -> Any:
        """The value as the type of the annotation."""
        return None if text is None else self._results.load(json.loads(text))


def _hint(function: Callable[..., Any]) -> Any:
    try:
        annotation = inspect.signature(function).return_annotation
    except (TypeError, ValueError):  # some built-in functions
        return NO_HINT
    hint = resolved_or_none(function, annotation)
    return NO_HINT if hint is None else stored(hint)


def _results(hint: Any) -> Results:
    """The converter for a hint; one with a name that does not exist is ignored, as in tasks."""
    try:
        hash(hint)
    except TypeError:
        return _new_results(hint)
    return _known_results(hint)


def _new_results(hint: Any) -> Results:
    try:
        return Results(hint)
    except Unfinished:
        return Results(NO_HINT)


_known_results = lru_cache(MOST_HINTS)(_new_results)
