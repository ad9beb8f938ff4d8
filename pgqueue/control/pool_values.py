"""The values of a pool as Python takes them, and the errors about pools."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypedDict

from .._checks import invalid, is_whole, read_text
from .._json import dumps
from ..database.calls.pool_verbs import PoolValues
from ..errors import InvalidArgument, JobNotFound, PoolNotFound

_WHOLE = ("concurrency", "wanted", "minimum", "maximum", "max_unavailable")
_INT4 = 2**31


class PoolSettings(TypedDict, total=False):
    """Values of a pool; None and what is left out: the default of a new pool, or as it is.

    Attributes:
        queues: with weights as on the command line: "mail=3"; empty = all queues of the app.
        concurrency: jobs that each worker runs at once, 1 to 10,000; 100 by default.
        wanted: workers that shall run; the minimum by default.
        minimum, maximum: what `wanted` may be, 1 and 50 by default, up to 10,000. A minimum of 0 needs `queues`.
        max_unavailable: workers that a roll replaces at a time; 1 by default.
    """

    queues: Iterable[str] | None
    concurrency: int | None
    wanted: int | None
    minimum: int | None
    maximum: int | None
    max_unavailable: int | None


def pool_values(app: str | None, settings: Mapping[str, Any]) -> PoolValues:
    """The values as they are sent; SQL checks them.

    Raises:
        InvalidArgument: a value has another type, or there is no such one.
    """
    if unknown := settings.keys() - {"queues", *_WHOLE}:
        raise InvalidArgument(f"{min(unknown)}: a pool has no such value; use queues, {', '.join(_WHOLE)}")
    numbers = {field: read_whole(field, settings.get(field)) for field in _WHOLE}
    return PoolValues(read_text("app", app), _queues(settings.get("queues")), **numbers)


def rules_json(rules: Mapping[str, Any] | None) -> str | None:
    """The rules of an autoscaler as JSON; SQL checks them.

    Raises:
        InvalidArgument: they are no mapping that is JSON.
    """
    if rules is None:
        return None
    try:
        if isinstance(rules, Mapping):
            return dumps(dict(rules))
    except (TypeError, ValueError):
        pass
    raise invalid("rules", rules, "use a dict such as {'depth_up': 200}")


def read_name(name: Any) -> str:
    """The name of a pool.

    Raises:
        InvalidArgument: it is no text.
    """
    text = read_text("name", name)
    if text is None:
        raise invalid("name", name, "use the name of a pool")
    return text


def check_step(workers: Any) -> int:
    """How many workers more or fewer.

    Raises:
        InvalidArgument: it is no number above 0.
    """
    if not is_whole(workers) or not 0 < workers <= 10_000:
        raise invalid("workers", workers, "use a number of workers, 1 to 10000")
    return int(workers)


def unknown_pool(name: str, names: Iterable[str]) -> PoolNotFound:
    """The error about a pool that is not there, in the words of SQL."""
    there = sorted(names)[:20]
    return PoolNotFound(f"name: there is no pool {name[:200]!r}; there are: {', '.join(there) or 'none: make one first'}")


@contextmanager
def not_found() -> Iterator[None]:
    """Name what is not there: SQL has one code for all things."""
    try:
        yield
    except JobNotFound as error:
        raise PoolNotFound(str(error)) from None


def read_whole(field: str, value: Any) -> int | None:
    """A whole number, or None; SQL knows its bounds.

    Raises:
        InvalidArgument: it is neither.
    """
    if value is not None and (not is_whole(value) or not -_INT4 <= value < _INT4):
        raise invalid(field, value, "use a whole number")
    return value if value is None else int(value)


def _queues(queues: Any) -> list[str] | None:
    if queues is None:
        return None
    if isinstance(queues, str | Mapping) or not isinstance(queues, Iterable):
        raise invalid("queues", queues, "use a list such as ['mail=3', 'default']")
    named = list(queues)
    for queue in named:
        if read_text("queues", queue) is None:
            raise invalid("queues", queue, "use a list such as ['mail=3', 'default']")
    return named
