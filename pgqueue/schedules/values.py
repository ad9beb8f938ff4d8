"""The values of a schedule: checked, and in the form that SQL stores."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal, TypedDict, get_args

from .._checks import Duration, check_duration, check_time, invalid
from .._json import dumps
from ..errors import InvalidArgument
from ..limits.limit import UNITS, check_whole
from .cron import LAST_YEAR, read_cron
from .every import check_every, read_every
from .zones import read_zone

Misfire = Literal["coalesce", "catch_up", "skip"]
Overlap = Literal["allow", "skip", "buffer_one"]

DEFAULTS: Mapping[str, Any] = {
    "timezone": "UTC", "misfire": "coalesce", "most": 10, "spacing": 1, "window": 86400, "overlap": "allow",
}  # fmt: skip
MOST_CRONS = 20  # expressions of one schedule, as in SQL
MOST_JOBS = 1000  # for `most`, as in SQL
MOST_DAYS = {"spacing": 1, "window": 366, "jitter": 1}  # as in SQL
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


class Changes(TypedDict, total=False):
    """The fields that `app.schedules.set` changes, as in `Schedule`. None means not given."""

    cron: str | Iterable[str] | None
    every: Duration | None
    timezone: str | None
    misfire: Misfire | None
    most: int | None
    spacing: Duration | None
    window: Duration | None
    overlap: Overlap | None
    jitter: Duration | None
    starts_at: datetime | None
    ends_at: datetime | None


def is_name(value: Any) -> bool:
    """Whether a value can be the name of a schedule; expressions cannot, because of their spaces and @."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def check_name(name: Any) -> str:
    """The name of a schedule.

    Raises:
        InvalidArgument: value is not a valid name.
    """
    if not is_name(name):
        raise invalid("name", name, "use 1 to 100 letters, digits and . _ : -")
    return str(name)


def read_fields(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given fields, each in one form: expressions as a tuple, durations in seconds, times in UTC. None means not given.

    Args:
        name: the name of the schedule, which decides what H in an expression stands for.
        given: fields by name.

    Raises:
        InvalidArgument: a field is unknown or invalid; the message names it.
    """
    if unknown := given.keys() - FIELDS:
        raise InvalidArgument(f"{min(unknown)}: a schedule has no such field; it has {', '.join(FIELDS)}")
    read = {field: _READ[field](value) for field, value in given.items() if value is not None and field in _READ}
    read |= _rhythm(name, given.get("cron"), given.get("every"))
    if "starts_at" in read and "ends_at" in read and read["ends_at"] <= read["starts_at"]:
        raise invalid("ends_at", given["ends_at"].isoformat(), "use a time after starts_at")
    return read


def to_json(fields: Mapping[str, Any]) -> list[str]:
    """Fields from `read_fields` as the members of a JSON object; None becomes null."""
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()}
    return [f'"{name}":{dumps(value)}' for name, value in plain.items()]


def _rhythm(name: str, cron: Any, every: Any) -> dict[str, Any]:
    if cron is None:
        return {} if every is None else {"every": _number(check_every("every", every))}
    if every is not None:
        raise invalid("every", every, "give either cron or every")
    expressions = (cron,) if isinstance(cron, str) else tuple(cron) if isinstance(cron, Iterable) else ()
    if not all(isinstance(one, str) for one in expressions) or not 1 <= len(expressions) <= MOST_CRONS:
        raise invalid("cron", cron, f"use an expression such as '0 2 * * *', or a list of 1 to {MOST_CRONS} of them")
    if len(expressions) == 1 and (seconds := read_every(expressions[0])) is not None:
        return {"every": _number(seconds)}
    return {"cron": tuple(dict.fromkeys(" ".join(read_cron(one, hash_id=name).expression.split()) for one in expressions))}


def _seconds(field: str, value: Any) -> float:
    check_duration(field, value)
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    most = MOST_DAYS[field]
    if not 0 <= seconds <= most * UNITS["d"]:
        raise invalid(field, value, f"use 0 seconds to {most} {'day' if most == 1 else 'days'}")
    return _number(round(seconds, 6))


def _number(seconds: float) -> float:
    """A whole number as one, so that equal durations have equal texts."""
    return int(seconds) if seconds == int(seconds) else seconds


def _choice(field: str, choices: tuple[str, ...], value: Any) -> str:
    if not isinstance(value, str) or value not in choices:
        raise invalid(field, value, f"use {', '.join(choices[:-1])} or {choices[-1]}")
    return value


def _zone(value: Any) -> str:
    return read_zone(value).key


def _most(value: Any) -> int:
    check_whole("most", value, 1, MOST_JOBS)
    return int(value)


def _time(field: str, value: Any) -> datetime:
    check_time(field, value)
    try:
        time: datetime = value.astimezone(UTC)
    except OverflowError:
        time = datetime.max.replace(tzinfo=UTC)
    if not datetime(1970, 1, 1, tzinfo=UTC) <= time <= datetime(LAST_YEAR, 12, 31, tzinfo=UTC):  # as in SQL
        raise invalid(field, value.isoformat(), f"use a time between the years 1970 and {LAST_YEAR}")
    return time


_READ: Mapping[str, Callable[[Any], Any]] = {
    "timezone": _zone,
    "misfire": partial(_choice, "misfire", get_args(Misfire)),
    "most": _most,
    "spacing": partial(_seconds, "spacing"),
    "window": partial(_seconds, "window"),
    "overlap": partial(_choice, "overlap", get_args(Overlap)),
    "jitter": lambda value: _seconds("jitter", value) or None,
    "starts_at": partial(_time, "starts_at"),
    "ends_at": partial(_time, "ends_at"),
}
FIELDS = ("cron", "every", *_READ)
