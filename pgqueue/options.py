"""How a call is enqueued: what `@app.task` and `Task.using` take, in the form in which SQL takes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

from ._json import dumps
from ._text import storable
from .database import calls
from .errors import InvalidArgument, PgQueueError
from .retry import Retry
from .unique import Unique, UniqueMode

Priority = int | Literal["low", "medium", "high"]
Duration = timedelta | float

PRIORITIES: Mapping[str, int] = {"low": -50, "medium": 0, "high": 50}
_LONGEST = 1e12  # seconds; SQL refuses it, but can read it


@dataclass(frozen=True, slots=True)
class Options:
    """How a call is enqueued; see `Task.using`."""

    queue: str = "default"
    priority: int = 0
    run_at: datetime | None = None
    run_after: timedelta | None = None
    retry: Retry | None = None
    result_ttl: timedelta | None = None
    meta: Any = None
    unique: Unique | None = None
    connection: Any = None

    def to_sql(self) -> calls.EnqueueOptions:
        """As `enqueue` takes them, but for uniqueness."""
        policy = self.retry.policy() if self.retry else None
        return calls.EnqueueOptions(
            queue=self.queue,
            priority=self.priority,
            run_at=None if self.run_at is None else self.run_at.isoformat(),
            run_after=interval(self.run_after),
            retries=self.retry.retries if self.retry else None,
            retry=dumps(policy) if policy else None,
            result_ttl=interval(self.result_ttl),
            meta=None if self.meta is None else _meta(self.meta),
        )

    def to_unique(self) -> calls.UniqueOptions:
        """What makes it unique, as `enqueue` takes it."""
        unique = self.unique
        return calls.UniqueOptions(unique.mode, unique.key, interval(unique.period)) if unique else calls.UniqueOptions()


class GivenOptions(TypedDict, total=False):
    """What `options` takes; None means not given."""

    queue: str | None
    priority: Priority | None
    run_at: datetime | None
    run_after: Duration | None
    retry: Retry | int | None
    result_ttl: Duration | None
    meta: Any
    unique: Unique | UniqueMode | None
    connection: Any


def given(options: GivenOptions) -> dict[str, Any]:
    """The options that were given, in the form of `Options`.

    Raises:
        InvalidArgument: one of them is out of range; the message names it.
    """
    read: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for name in read.keys() & _READ.keys():
        try:
            read[name] = _READ[name](read[name])
        except (TypeError, ValueError, OverflowError) as error:
            if isinstance(error, PgQueueError):
                raise
            raise InvalidArgument(f"{name}: {read[name]!r} is not valid: {error}") from None
    return read


def interval(value: Duration | None) -> str | None:
    """A duration as PostgreSQL's text. In seconds: what it calls a day is 23 or 25 hours when clocks change."""
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    return f"{max(-_LONGEST, min(_LONGEST, seconds))} seconds"


def _time(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise InvalidArgument(f"run_at: {value.isoformat()} has no time zone; use datetime.now(UTC) or .astimezone()")
    return value


def _priority(value: Priority) -> int:
    if isinstance(value, str):
        if value not in PRIORITIES:
            raise InvalidArgument(f"priority: {value!r} is not valid; use {', '.join(PRIORITIES)} or -100 to 100")
        return PRIORITIES[value]
    return value


def _duration(value: Duration) -> timedelta:
    return timedelta(seconds=value) if isinstance(value, int | float) else value


def _retry(value: Retry | int) -> Retry:
    return Retry(value) if isinstance(value, int) else value


def _unique(value: Unique | UniqueMode) -> Unique:
    return value if isinstance(value, Unique) else Unique(value)


def _meta(value: Any) -> str:
    try:
        return dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"meta: takes what JSON can hold: {error}") from None


_READ: Mapping[str, Callable[[Any], Any]] = {
    "queue": lambda value: storable("queue", value),
    "run_at": _time,
    "priority": _priority,
    "run_after": _duration,
    "result_ttl": _duration,
    "retry": _retry,
    "unique": _unique,
}
