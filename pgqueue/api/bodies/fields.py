"""Types of fields in requests: numbers are numbers, and times are texts with a zone."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, Strict

from ..._checks import check_time, interval
from ..._json import Exact
from ..problems import invalid

LONGEST_NUMBER = 400  # characters of a number; Python takes long for thousands


def _plain(given: Any) -> Any:
    """A number as Python has it: `exact.read` keeps the text of many numbers."""
    if isinstance(given, Exact):
        if len(given.text) > LONGEST_NUMBER:
            raise ValueError("use a number of fewer digits")
        given = float(given.text) if any(mark in given.text for mark in ".eE") else int(given.text)
    return given


def _whole(given: Any) -> Any:
    """A whole number; 5.0 is one."""
    given = _plain(given)
    return int(given) if isinstance(given, float) and given.is_integer() else given


def _text(given: Any) -> Any:
    """A time as text: pydantic would take a number as seconds since 1970."""
    if not isinstance(given, str) or given.strip("+-.0123456789 ") == "":
        raise ValueError("use a time with its zone, such as 2026-11-30T12:00:00Z")
    return given


# With bounds: Annotated[int, Strict(), Field(ge=1), AsWhole]; a Field behind these would be no bound in the document.
AsNumber, AsWhole = BeforeValidator(_plain), BeforeValidator(_whole)
Number = Annotated[float, Strict(), Field(allow_inf_nan=False), AsNumber]
Seconds = Annotated[float, Strict(), Field(allow_inf_nan=False, ge=0), AsNumber]
Whole = Annotated[int, Strict(), AsWhole]
Flag = Annotated[bool, Strict()]
Time = Annotated[AwareDatetime, BeforeValidator(_text)]


class End(BaseModel):
    """When something ends: at a time, or after seconds."""

    until: Annotated[Time | None, Field(description="a time with its zone", examples=["2030-01-01T06:00:00Z"])] = None
    for_seconds: Annotated[Number | None, Field(description="instead of `until`: so long from now", examples=[600])] = None

    def read(self) -> tuple[str | None, str | None]:
        """The time and the interval, as SQL takes them; one of them is None.

        Raises:
            Problem: both are given, or the interval is none.
            InvalidArgument: the time is none of PostgreSQL.
        """
        if self.for_seconds is None:
            return None if self.until is None else time_text("until", self.until), None
        if self.until is not None:
            raise invalid("for_seconds", self.for_seconds, "give until or for_seconds, not both")
        if not 0 < self.for_seconds <= 1e10:
            raise invalid("for_seconds", self.for_seconds, "use a number of seconds above 0, up to 10,000,000,000")
        return None, interval(self.for_seconds)


def time_text(field: str, value: datetime) -> str:
    """A time as text. Raises InvalidArgument if PostgreSQL has no such zone."""
    check_time(field, value)
    return value.isoformat()
