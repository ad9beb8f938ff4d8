"""The steps of one run: their names, and what earlier runs have done."""

from typing import Any

from .._checks import invalid
from .._text import storable

LONGEST_NAME = 200


class Memory:
    """What a run knows of the steps of its job.

    Attributes:
        done: the values of the steps that earlier runs have done, by name, as JSON text; None until they are read.
    """

    def __init__(self) -> None:
        self.done: dict[str, str | None] | None = None
        self._used: set[str] = set()
        self._counts: dict[str, int] = {}

    def unique(self, name: str) -> str:
        """The name under which a step is stored: its own, and from the second use in a run on with a number: `charge#2`."""
        count = self._counts.get(name, 0) + 1
        while (found := name if count == 1 else f"{name}#{count}") in self._used:
            count += 1
        self._counts[name] = count
        self._used.add(found)
        return check_name("name", found)


def check_name(field: str, name: Any) -> str:
    """The name of a step or a signal.

    Raises:
        InvalidArgument: it is no text of 1 to 200 characters, or PostgreSQL cannot store it.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME:
        raise invalid(field, name, f"use a text of 1 to {LONGEST_NAME} characters")
    return storable(field, name)
