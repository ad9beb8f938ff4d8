"""Values without a hint as JSON text: a value that JSON cannot hold is refused with its path."""

from itertools import islice
from typing import Any

from .._json import dumps, with_floats
from .faults import faults, is_exact, may_be_too_long
from .refusal import described

NUL = "\\u0000"  # as written in JSON


def dump_open(value: Any, tuples: bool = False) -> str:
    """A value as JSON text that comes back unchanged.

    Args:
        value: any value.
        tuples: let tuples through; they come back as lists.

    Raises:
        ValueError: JSON or PostgreSQL cannot hold it; the message names the part and the reason.
    """
    if is_exact(value, 0, tuples):
        try:
            text = dumps(value)
        except ValueError:
            pass  # an integer is too long for Python to write
        else:
            if not (NUL in text or may_be_too_long(text)) or not any(faults(value, (), tuples)):
                return with_floats(text)
    raise ValueError(described(list(islice(faults(value, (), tuples), 1))))
