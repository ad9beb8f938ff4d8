"""What a cron expression says, field by field. There are no dates here, and no croniter."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
LAST_OF_MONTH = -1  # the `nth` of L5: the last Friday


@dataclass(frozen=True, slots=True)
class Unit:
    """What a field counts: its name and place, its least and greatest value, examples, and the names of its values."""

    name: str
    place: int
    low: int
    high: int
    examples: str
    names: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return self.high - self.low + 1


MINUTE, HOUR, DAY, MONTH, WEEKDAY, SECOND = UNITS = (
    Unit("minute", 0, 0, 59, "30 or */15 or 5-50/15"),
    Unit("hour", 1, 0, 23, "9 or */2 or 9-17"),
    Unit("day of the month", 2, 1, 31, "1 or 1,15 or 1-7 or L"),
    Unit("month", 3, 1, 12, "1 or jan or 6-8", MONTHS),
    Unit("weekday", 4, 0, 6, "1 or mon-fri or 5#2 or L5", WEEKDAYS),
    Unit("second", 5, 0, 59, "0 or 30"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """One element of the list in a field.

    Attributes:
        kind: "all": a star; "value": first; "range": first to last by step, over the end of the field if last < first; "hash": H,
            one value of first to last, or each step-th from a first one; "nth": a weekday (first) of the month; "last": the last
            day of the month.
        nth: for "nth": 1 to 5, or LAST_OF_MONTH.
    """

    kind: Literal["all", "value", "range", "hash", "nth", "last"]
    first: int
    last: int
    step: int = 0
    nth: int = 0

    def values(self, unit: Unit) -> Iterable[int]:
        """The numbers that it stands for; none for "nth" and "last", which depend on the month, and for "hash"."""
        if self.kind in ("nth", "last", "hash"):
            return ()
        end = self.last + (unit.size if self.last < self.first else 0)
        return (unit.low + (value - unit.low) % unit.size for value in range(self.first, end + 1, self.step or 1))

    def resolved(self, unit: Unit, hash_id: str) -> "Part":
        """H as the number, or the range, that belongs to a name. The numbers are those of croniter."""
        if self.kind != "hash":
            return self
        most = min(self.first + self.step - 1, self.last) if self.step else self.last
        number = (zlib.crc32(hash_id.encode()) >> unit.place) % (most - self.first + 1) + self.first
        if not self.step or number + self.step > self.last:
            return Part("value", number, number)
        return Part("range", number, self.last, self.step)


@dataclass(frozen=True)
class Field:
    """One field: its text in small letters, and its parts."""

    unit: Unit
    text: str
    parts: tuple[Part, ...]

    @property
    def is_star(self) -> bool:
        """Whether the field restricts nothing and was written so."""
        return all(part.kind == "all" for part in self.parts)

    @property
    def is_full(self) -> bool:
        """Whether the field restricts nothing, however it was written."""
        return len(self.values) == self.unit.size

    @property
    def has_nth(self) -> bool:
        return any(part.kind == "nth" for part in self.parts)

    @property
    def has_last(self) -> bool:
        return any(part.kind == "last" for part in self.parts)

    @property
    def has_hash(self) -> bool:
        return any(part.kind == "hash" for part in self.parts)

    @cached_property
    def values(self) -> tuple[int, ...]:
        """The numbers that the field allows, in order."""
        return tuple(sorted({value for part in self.parts for value in part.values(self.unit)}))

    def resolved(self, hash_id: str) -> "Field":
        """The field with each H replaced."""
        return replace(self, parts=tuple(part.resolved(self.unit, hash_id) for part in self.parts))


@dataclass(frozen=True)
class Expression:
    """A cron expression. `second` is None if it has five fields."""

    text: str
    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field
    second: Field | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        """The five or six fields in the order of the text."""
        five = (self.minute, self.hour, self.day, self.month, self.weekday)
        return five if self.second is None else (*five, self.second)

    @property
    def has_both_days(self) -> bool:
        """Whether the day of the month and the weekday are both restricted: then one of them is enough."""
        return not self.day.is_star and not self.weekday.is_star

    @property
    def is_any_day(self) -> bool:
        """Whether every day of its months matches."""
        if self.has_both_days:
            return self.day.is_full or self.weekday.is_full
        return self.day.is_full and self.weekday.is_full

    @property
    def is_any_minute(self) -> bool:
        """Whether every minute of the year matches."""
        return self.is_any_day and self.minute.is_full and self.hour.is_full and self.month.is_full

    @property
    def is_fixed(self) -> bool:
        """Whether it names times of the clock, as Debian's cron decides: neither minute nor hour begins with a star."""
        return not self.minute.text.startswith("*") and not self.hour.text.startswith("*")

    def resolved(self, hash_id: str) -> "Expression":
        """The expression with each H replaced by what belongs to a name."""
        return Expression(self.text, *(field.resolved(hash_id) for field in self.fields))
