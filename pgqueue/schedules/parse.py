"""Reads a cron expression and refuses what is wrong in it, part by part."""

import re
from typing import Any

from .._checks import invalid
from .._text import shortened
from .fields import DAY, LAST_OF_MONTH, UNITS, WEEKDAY, Expression, Field, Part, Unit

LONGEST = 200  # characters, as in SQL
EXAMPLE = "such as '0 2 * * *' (minute, hour, day of the month, month, weekday)"
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_WORD = r"[a-z]+|\d{1,9}"
_RANGE = re.compile(rf"(?P<first>\*|{_WORD})(?:-(?P<last>{_WORD}))?(?:/(?P<step>\d{{1,9}}))?", re.ASCII)
_HASH = re.compile(r"h(?:\((?P<first>\d{1,9})-(?P<last>\d{1,9})\))?(?:/(?P<step>\d{1,9}))?", re.ASCII)
_RANDOM = re.compile(r"r(\(.*\))?(/.*)?")
_NTH = re.compile(rf"(?P<day>{_WORD})#(?P<nth>\d{{1,9}})", re.ASCII)
_LAST_WEEKDAY = re.compile(r"l(?P<after>\d{1,9}|[a-z]{3})|(?P<before>\d{1,9}|[a-z]{3})l", re.ASCII)
_NEAREST = re.compile(r"(\d+w|w\d+|lw|wl|l-\d+)", re.ASCII)


class _Wrong(Exception):
    """What is wrong with one part of an expression."""


def parse(text: Any, field: str = "cron") -> Expression:
    """Read a cron expression of five fields, or of six with the seconds last.

    Args:
        text: the expression, or a name such as @daily.
        field: the name for the error.

    Raises:
        InvalidArgument: the message has the part that is wrong, the reason and an example.
    """
    words = _split(text, field)
    try:
        expression = Expression(text.strip(), *(_field(unit, word) for unit, word in zip(UNITS, words, strict=False)))
        _check_days(expression)
    except _Wrong as wrong:
        raise invalid(field, text, str(wrong)) from None
    return expression


def split(text: str) -> list[str]:
    """The fields of an expression. Only ASCII blanks separate them: str.split knows more."""
    return re.findall(r"\S+", text, re.ASCII)


def _split(text: Any, field: str) -> list[str]:
    if not isinstance(text, str):
        raise invalid(field, text, f"use a cron expression, {EXAMPLE}")
    if len(text) > LONGEST:
        raise invalid(field, text, f"it has {len(text)} characters; use at most {LONGEST}, or several expressions")
    given = text.strip().lower()
    if given.startswith("@every"):
        raise invalid(field, text, "this is an interval and not a cron expression; use it alone, or every=")
    if given.startswith("@") and given not in ALIASES:
        raise invalid(field, text, f"use one of {', '.join(ALIASES)}, or '@every 90s', or five fields, {EXAMPLE}")
    words = split(ALIASES.get(given, text))
    if len(words) == 7:
        raise invalid(field, text, f"it has seven fields, and a field for the year is not supported; use five, {EXAMPLE}")
    if len(words) not in (5, 6):
        number = "one field" if len(words) == 1 else f"{len(words) or 'no'} fields"
        raise invalid(field, text, f"it has {number}; use five, {EXAMPLE}, or six with the seconds last")
    return words


def _field(unit: Unit, text: str) -> Field:
    return Field(unit, text.lower(), tuple(_part(unit, part) for part in text.split(",")))


def _part(unit: Unit, given: str) -> Part:
    try:
        return _read(unit, given.lower())
    except _Wrong as wrong:
        raise _Wrong(f"{unit.name} {shortened(given)}: {wrong}; for example {unit.examples}") from None


def _read(unit: Unit, text: str) -> Part:
    if text == "?" and unit in (DAY, WEEKDAY):
        return Part("all", unit.low, unit.high)
    if found := _HASH.fullmatch(text):
        return _hash(unit, found)
    if _RANDOM.fullmatch(text):
        raise _Wrong("R is another number each time it is read; use H, which is fixed by the name of the schedule")
    if unit is DAY and text == "l":
        return Part("last", unit.high, unit.high)
    if unit is WEEKDAY and (found := _NTH.fullmatch(text)):
        return _nth(unit, found["day"], int(found["nth"]))
    if unit is WEEKDAY and (found := _LAST_WEEKDAY.fullmatch(text)):
        return _nth(unit, found["after"] or found["before"], LAST_OF_MONTH)
    if unit is DAY and _NEAREST.fullmatch(text):
        raise _Wrong("working days and days before the last are not supported; use numbers, or L for the last day")
    if found := _RANGE.fullmatch(text):
        return _range(unit, found)
    raise _Wrong(_why_not(unit, text))


def _why_not(unit: Unit, text: str) -> str:
    if unit in (DAY, WEEKDAY) and ("#" in text or "l" in text):
        return "L is the last day of the month, L5 or 5L the last Friday, 5#2 the second Friday; ranges and steps take no # or L"
    return f"use *, numbers from {unit.low} to {unit.high}, ranges and steps"


def _range(unit: Unit, found: re.Match[str]) -> Part:
    first, last, step = found["first"], found["last"], found["step"]
    if first == "*":
        if last:
            raise _Wrong("a range goes from a number to a number")
        return _stepped(unit, unit.low, unit.high, step) if step and int(step) != 1 else Part("all", unit.low, unit.high)
    low = _value(unit, first)
    if last is None:
        if step:
            write = f"{first}-{unit.high}/{step}" if low < unit.high else first
            raise _Wrong(f"the start of a step needs an end; write {write}")
        return Part("value", low % 7 if unit is WEEKDAY else low, low % 7 if unit is WEEKDAY else low)
    high = _value(unit, last)
    if unit is WEEKDAY and (low, high) != (0, 7):
        low, high = low % 7, high % 7
    if low == high:
        raise _Wrong(f"the range {first}-{last} has one value; write {first}, or * for all")
    return _stepped(unit, low, high, step or "1")


def _stepped(unit: Unit, low: int, high: int, step: str) -> Part:
    span = high - low + (unit.size if high < low else 0)
    if not 1 <= int(step) <= span:
        raise _Wrong(f"the step {step} is beyond its range; from {low} to {high} a step is 1 to {span}")
    return Part("range", low, high, int(step))


def _value(unit: Unit, text: str) -> int:
    if text in unit.names:
        return unit.low + unit.names.index(text)
    high = 7 if unit is WEEKDAY else unit.high  # 0 and 7 are both Sunday
    if text.isdecimal() and unit.low <= int(text) <= high:
        return int(text)
    if unit.names:
        raise _Wrong(f"use {unit.low} to {high}, or {', '.join(unit.names)}")
    raise _Wrong(f"{shortened(text)} is not within {unit.low} to {high}")


def _hash(unit: Unit, found: re.Match[str]) -> Part:
    first, last, step = found["first"], found["last"], found["step"]
    high = 28 if unit is DAY and not step else unit.high  # a day that every month has
    low, high = (_value(unit, first), _value(unit, last)) if first else (unit.low, high)
    if low >= high or (unit is WEEKDAY and high > unit.high):
        raise _Wrong(f"H({first}-{last}) needs a range from a smaller to a larger number, at most {unit.high}")
    if step and not 1 <= int(step) <= high - low:
        raise _Wrong(f"the step {step} is beyond its range; from {low} to {high} a step is 1 to {high - low}")
    return Part("hash", low, high, int(step or 0))


def _nth(unit: Unit, day: str, nth: int) -> Part:
    if nth != LAST_OF_MONTH and not 1 <= nth <= 5:
        raise _Wrong(f"a month has no weekday number {nth}; use #1 to #5, or L for the last one")
    value = _value(unit, day) % 7
    return Part("nth", value, value, nth=nth)


def _check_days(expression: Expression) -> None:
    """Refuse what croniter answers wrongly."""
    weekday = expression.weekday
    if not weekday.has_nth:
        return
    if not all(part.kind == "nth" for part in weekday.parts):
        raise _Wrong(f"weekday {shortened(weekday.text)}: # and L cannot be mixed with others; use two expressions")
    if not expression.day.is_star:
        day = shortened(expression.day.text)
        raise _Wrong(
            f"weekday {shortened(weekday.text)}: with # or L the day of the month, {day}, must be *; use two expressions"
        )
