"""Values of requests as JSON text for the database, which cannot store every value that JSON has."""

from typing import Any

from .._text import printable
from . import exact
from .problems import invalid

DEEPEST = 256  # levels; what is deeper is not written


def written(field: str, value: Any) -> str:
    """JSON of users as text.

    Raises:
        Problem: PostgreSQL cannot store it, or nobody could read it.
    """
    try:
        text = exact.write(value).decode()
    except TypeError as error:
        raise invalid(field, value, f"it cannot be stored: {str(error.__cause__ or error)[:200]}") from None
    if "\\u0000" in text and _has_nul(value):
        raise invalid(field, value, "PostgreSQL cannot store the character NUL")
    return text


def storable(value: Any, depth: int = 0) -> Any:
    """A value whose texts PostgreSQL can store: a NUL and half of a surrogate pair are replaced, see `printable`."""
    if isinstance(value, str):
        return printable(value)
    if depth > DEEPEST:
        return value
    if isinstance(value, dict):
        return {printable(name): storable(one, depth + 1) for name, one in value.items()}
    return [storable(one, depth + 1) for one in value] if isinstance(value, list) else value


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(name) or _has_nul(one) for name, one in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))
