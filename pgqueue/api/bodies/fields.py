"""Types of the fields of bodies: a number is a number however it is written, and a time is a text with a zone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator

from ..._checks import LONGEST, PRIORITIES, check_time, interval
from ..._json import Exact
from ..._text import printable
from ..problems import invalid

STATES = Literal["blocked", "scheduled", "ready", "running", "succeeded", "failed", "cancelled"]
UNIQUE_MODES = Literal["until_done", "until_started", "replace", "period"]
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


def _storable(given: str) -> str:
    """A text that PostgreSQL can store."""
    if printable(given) != given:
        raise ValueError("use a text without NUL and without half of a surrogate pair")
    return given


def _priority(given: Any) -> Any:
    return PRIORITIES.get(given, given) if isinstance(given, str) else given


# With bounds: Annotated[int, Strict(), Field(ge=1), AsWhole]; a Field behind these would be no bound in the document.
AsNumber, AsWhole = BeforeValidator(_plain), BeforeValidator(_whole)
Number = Annotated[float, Strict(), Field(allow_inf_nan=False), AsNumber]
# In seconds: how long something takes, and how far it is from now.
Span = Annotated[float, Strict(), Field(allow_inf_nan=False, ge=0, le=LONGEST, examples=[30]), AsNumber]
Ahead = Annotated[float, Strict(), Field(allow_inf_nan=False, ge=-LONGEST, le=LONGEST, examples=[30]), AsNumber]
Whole = Annotated[int, Strict(), AsWhole]
Flag = Annotated[bool, Strict()]
Time = Annotated[
    AwareDatetime, BeforeValidator(_text), Field(description="a time with a zone", examples=["2026-12-24T18:00:00Z"])
]
Priority = Annotated[
    Annotated[int, Strict(), Field(ge=-100, le=100), AsWhole] | Literal["low", "medium", "high"],
    BeforeValidator(_priority),
    Field(description="-100 to 100, larger runs first; low = -50, medium = 0, high = 50", examples=[0]),
]
Id = Annotated[str, Field(examples=["4711"])]
Arguments = Annotated[dict[str, Any], Field(description="arguments by name", examples=[{"to": "ann@example.org"}])]
Storable = AfterValidator(_storable)
Reason = Annotated[str, Field(min_length=1, max_length=1000, description="why; kept with it", examples=["sent twice"]), Storable]


class Body(BaseModel):
    """An object in a request: a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_an_object(cls, given: Any) -> Any:
        """FastAPI takes any object of Python for a model, and `exact.read` makes one of a number such as 1.50."""
        if isinstance(given, Exact):
            raise ValueError("use an object")
        return given


class End(Body):
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


def given(body: BaseModel) -> Mapping[str, Any]:
    """The fields of a body that are not null, by name, each as it is."""
    return {name: value for name in type(body).model_fields if (value := getattr(body, name)) is not None}
