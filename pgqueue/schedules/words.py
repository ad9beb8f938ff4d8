"""Cron expressions and intervals in plain English. What has no short name is told field by field."""

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidArgument
from .every import read_every
from .fields import LAST_OF_MONTH, Expression, Field, Part
from .parse import parse

MOST = 8  # values that a list shows
MOST_CLOCKS = 6  # times of a day that are shown as 02:00
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_NTH = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", LAST_OF_MONTH: "last"}
_UNITS = {"hour": 3600, "minute": 60, "second": 1}


def describe(expression: str, hash_id: str | None = None) -> str:
    """A cron expression in words: "at 02:00 every day", "every 15 minutes".

    Args:
        expression: as `read_cron` takes it, or "@every 90s".
        hash_id: the name of the schedule, which decides what H stands for; without it H stays H.

    Returns:
        A part of a sentence in small letters, of at most some hundred characters.

    Raises:
        InvalidArgument: the expression is invalid.
    """
    seconds = read_every(expression)
    if seconds is not None:
        return describe_every(seconds)
    parsed = parse(expression)
    return tell(parsed if hash_id is None else parsed.resolved(hash_id))


def describe_every(seconds: float) -> str:
    """An interval in words: "every 90 seconds", "every 2 hours"; never in days, which have 23 or 25 hours when clocks change."""
    unit, size = next(((unit, size) for unit, size in _UNITS.items() if seconds % size == 0), ("second", 1))
    number = seconds / size
    return f"every {unit}" if number == 1 else f"every {number:.15g} {unit}s"


def describe_schedule(definition: Mapping[str, Any], name: str | None = None) -> str:
    """When a schedule fires, in words; its expressions as they are, if one is invalid."""
    if definition.get("every") is not None:
        return describe_every(float(definition["every"]))
    try:
        words = "; and ".join(describe(one, name) for one in definition["cron"])
    except InvalidArgument:
        words = ", ".join(map(repr, definition["cron"]))
    return f"{words}, {definition.get('timezone') or 'UTC'}"


def tell(parsed: Expression) -> str:
    """An expression in words, as `describe`."""
    clocks = _clocks(parsed)
    text = (clocks or _times(parsed)) + _days(parsed, bool(clocks)) + _months(parsed)
    has_hash = any(field.has_hash for field in parsed.fields)
    return f"{text} (H is a number that the name of the schedule decides)" if has_hash else text


def _clocks(parsed: Expression) -> str | None:
    """ "at 02:00 and 14:00": if the times of a day are few, and are named one by one."""
    minutes, hours, seconds = parsed.minute, parsed.hour, parsed.second
    named = [minutes, hours] if seconds is None else [minutes, hours, seconds]
    if any(part.kind != "value" for field in named for part in field.parts):
        return None
    ends = [f":{second:02}" if second else "" for second in seconds.values] if seconds is not None else [""]
    if len(minutes.values) * len(hours.values) > MOST_CLOCKS or len(ends) > 1:
        return None
    return "at " + _listed([f"{hour:02}:{minute:02}{ends[0]}" for hour in hours.values for minute in minutes.values])


def _times(parsed: Expression) -> str:
    """The times of a day by minutes, hours and seconds."""
    second = parsed.second
    if second is None or second.values == (0,):
        return _minutes(parsed)
    if len(second.values) == 1:
        return f"{_minutes(parsed)}, at second {second.values[0]}"
    if not parsed.is_any_minute:
        return f"{_seconds(second)} of the minute, {_clocks(_without_seconds(parsed)) or _minutes(parsed)}"
    return _seconds(second) if _period(second) else f"{_seconds(second)} of every minute"


def _without_seconds(parsed: Expression) -> Expression:
    return Expression(parsed.text, *parsed.fields[:5])


def _seconds(second: Field) -> str:
    period = _period(second)
    return describe_every(period) if period else f"at {_numbers(second)}"


def _minutes(parsed: Expression) -> str:
    minute, hour = parsed.minute, parsed.hour
    period = _period(minute)
    if hour.is_full:
        if period:
            return describe_every(period * 60)
        if minute.values == (0,):
            return "every hour"
        return f"at {_numbers(minute)} past every hour"
    if period:
        return f"{describe_every(period * 60)} in {_numbers(hour)}"
    return f"at {_numbers(minute)} past {_numbers(hour)}"


def _period(field: Field) -> int | None:
    """n if the field is each n-th value for ever, without a shorter or longer interval at its end: */15, but not */7."""
    values, size = field.values, field.unit.size
    if not values or values[0] != 0 or field.has_hash:
        return None
    step = size // len(values)
    return step if len(values) > 1 and values == tuple(range(0, size, step)) and size % step == 0 else None


def _numbers(field: Field) -> str:
    """ "minutes 0 and 30", "every hour from 9 to 17", "every 2nd minute from 0 to 58"."""
    name = "day" if field.unit.name == "day of the month" else field.unit.name
    if field.is_full:
        return f"every {name}"
    values = [_value(part) for part in field.parts if part.kind == "value" or (part.kind == "hash" and not part.step)]
    ranges = [_range(name, part, field) for part in field.parts if part.kind == "range" or (part.kind == "hash" and part.step)]
    lasts = ["the last day"] if field.has_last else []
    singles = [f"{name}{'s' if len(values) > 1 else ''} {_listed(values)}"] if values else []
    return _listed([*singles, *ranges, *lasts])


def _value(part: Part) -> str:
    return str(part.first) if part.kind == "value" else "H"


def _range(name: str, part: Part, field: Field) -> str:
    each = f"every {name}" if part.step == 1 else f"every {_ordinal(part.step)} {name}"
    if part.kind == "hash":
        return f"{each} from H to {part.last}"
    return f"{each} from {part.first} to {list(part.values(field.unit))[-1]}"


def _days(parsed: Expression, has_clocks: bool) -> str:
    if parsed.is_any_day:
        return " every day" if has_clocks else ""
    if parsed.has_both_days:
        return f" on {_month_days(parsed)} or on {_weekdays(parsed.weekday, after_or=True)}"
    if parsed.day.is_full:
        weekdays = _weekdays(parsed.weekday)
        return f", {weekdays}" if " to " in weekdays else f" on {weekdays}"
    return f" on {_month_days(parsed)}"


def _month_days(parsed: Expression) -> str:
    if _is_one_date(parsed):
        return f"{parsed.day.values[0]} {MONTHS[parsed.month.values[0] - 1]}"
    return f"{_numbers(parsed.day)} of the month"


def _weekdays(field: Field, after_or: bool = False) -> str:
    if field.has_nth:
        names = [f"the {_NTH[part.nth]} {WEEKDAYS[part.first]}" for part in field.parts]
        return f"{_listed(names)} of the month"
    if _is_span(field):
        span = f"{WEEKDAYS[field.parts[0].first]} to {WEEKDAYS[field.parts[0].last % 7]}"
        return f"every day from {span}" if after_or else span
    if field.has_hash:
        return f"weekday {field.text.upper()}"
    return _listed([WEEKDAYS[value] for value in field.values])


def _months(parsed: Expression) -> str:
    if parsed.month.is_full or _is_one_date(parsed):
        return ""
    return f"{',' if parsed.has_both_days else ''} in {_month_names(parsed.month)}"


def _month_names(month: Field) -> str:
    if month.has_hash:
        return f"month {month.text.upper()}"
    if _is_span(month):
        return f"every month from {MONTHS[month.parts[0].first - 1]} to {MONTHS[month.parts[0].last - 1]}"
    return _listed([MONTHS[value - 1] for value in month.values], most=12)


def _is_span(field: Field) -> bool:
    """Whether a field is one range of three or more values."""
    return len(field.parts) == 1 and field.parts[0].kind == "range" and field.parts[0].step == 1 and len(field.values) > 2


def _is_one_date(parsed: Expression) -> bool:
    """Whether the days are one date of the year, such as 1 January."""
    has_one_day = [part.kind for part in parsed.day.parts] == ["value"]
    return has_one_day and parsed.weekday.is_star and len(parsed.month.values) == 1 and not parsed.month.has_hash


def _listed(items: list[str], most: int = MOST) -> str:
    """ "1, 2 and 3", cut to the first ones."""
    if len(items) > most:
        items = [*items[: most - 1], f"{len(items) - most + 1} more"]
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
