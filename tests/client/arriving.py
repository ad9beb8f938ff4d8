"""Hints with values of them: which arrive as they were sent, which are refused and why, and which a union decides about."""

import collections
import enum
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, SecretBytes, SecretStr, StringConstraints
from typing_extensions import TypedDict

BERLIN = ZoneInfo("Europe/Berlin")
T = TypeVar("T")
UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = "red"


class Size(enum.StrEnum):
    BIG = "big"


class Level(enum.IntEnum):
    LOW = 1


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Text(str):
    __slots__ = ()


class Base(BaseModel):
    a: int = 0


class Derived(Base):
    b: int = 0


class Twin(BaseModel):
    a: int = 0


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    name: str


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str


class Hidden(BaseModel):
    shown: int
    hidden: int = Field(default=0, exclude=True)


class Login(BaseModel):
    user: str
    password: SecretStr


class Box(BaseModel, Generic[T]):
    value: T


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Names(RootModel[list[str]]):
    pass


class Tree(BaseModel):
    value: float
    children: "list[Tree]" = []


@dataclass
class Point:
    x: float
    y: float = 0.0


@dataclass
class Point3(Point):
    z: float = 0.0


@dataclass
class Other:
    x: float
    y: float = 0.0


@dataclass
class Noted:
    text: str
    tags: frozenset[str] = frozenset()
    seen: int = field(default=0, compare=False)


class Pair(NamedTuple):
    left: int
    right: float


class Person(TypedDict):
    name: str


class Employee(Person):
    salary: int


def twice(text: str) -> str:
    return text + text


_TEXT: Any = "1"

SAME = [
    (Colour | None, Colour.RED),
    (Colour | int, Colour.RED),
    (Rights, Rights.READ | Rights.WRITE),
    (Size, Size.BIG),
    (Level, Level.LOW),
    (Size | int, Size.BIG),
    (Literal["a", 1, None], 1),
    (UserId, 5),
    (int | str, "5"),
    (int | float, 1.0),
    (int | float, 1),
    (int | float, 1e22),
    (float, 1e22),
    (Any, 1e22),
    (Any, 1.7976931348623157e308),
    (float, 5e-324),
    (float, 3),
    (bool | int, True),
    (bool | int, 1),
    (Any, True),
    (Any, 2**64 + 1),
    (int, 10**399),
    (Decimal, Decimal("1" * 60)),
    (Decimal, Decimal("1.10")),
    (Decimal | int, Decimal("2.5")),
    (str | bytes, "a"),
    (Path, Path("/a/b")),
    (uuid.UUID | str, "a"),
    (Base, Base(a=1)),
    (Derived | Base, Derived(a=1, b=2)),
    (Base | Derived, Base(a=1)),
    (Cat | Dog, Dog(name="x")),
    (Annotated[Cat | Dog, Field(discriminator="kind")], Dog(name="x")),
    (Box[int], Box[int](value=1)),
    (Loose, Loose.model_validate({"a": 1, "b": 2})),
    (Names, Names(["a"])),
    (Tree, Tree(value=1, children=[Tree(value=2)])),
    (Point, Point(1, 2)),
    (Point3, Point3(1, 2, 3)),
    (Point | Cat, Point(1)),
    (Noted, Noted("a", frozenset({"ab"}))),
    (Pair, Pair(1, 2)),
    (Person, {"name": "Ann"}),
    (Employee, {"name": "Ann", "salary": 1}),
    (dict[str, Person], {"a": {"name": "Ann"}}),
    (tuple[int, ...], (1, 2)),
    (tuple[int, str] | None, (1, "a")),
    (list[int] | set[int], [1]),
    (set[int] | None, {1}),
    (dict[int, Colour], {1: Colour.RED}),
    (Mapping[str, int], {"a": 1}),
    (Sequence[int], [1, 2]),
    (Iterable[int], [1, 2]),
    (collections.deque[int], collections.deque([1])),
    (datetime, datetime(1, 1, 1, tzinfo=UTC)),
    (datetime, datetime.max),
    (datetime, datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN)),
    (datetime, datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
    (date, date.min),
    (date, date.max),
    (time, time.max),
    (timedelta, timedelta.max),
    (timedelta, timedelta.min),
    (timedelta, timedelta(microseconds=-1)),
    (date | datetime, datetime(2026, 1, 1, 5)),
    (Annotated[str, StringConstraints(strip_whitespace=True)], "a"),
    (bytes, b""),
    (str, ""),
    (Any, {"": [""]}),
    (list[Any], [[1.0, 1, "1"]]),
]

REFUSED = [
    (SecretStr, SecretStr("hunter2"), "SecretStr"),
    (Login, Login.model_validate({"user": "a", "password": "hunter2"}), "password"),
    (SecretStr, "hunter2", "SecretStr"),
    (dict[str, list[SecretStr]], {"a": [SecretStr("hunter2")]}, "value.a.0"),
    (Base, Derived(a=1, b=2), "it would arrive as Base, not as Derived"),
    (list[Base], [Base(), Derived()], "value.1 = "),
    (Point, Point3(1, 2, 3), "it would arrive as Point, not as Point3"),
    (Base | Twin, Twin(a=1), "it would arrive as Base, not as Twin"),
    (Point | Other, Other(1), "it would arrive as Point, not as Other"),
    (Box[Any], Box[Any](value=Derived()), "it would arrive as dict, not as Derived"),
    (Colour | str, Colour.RED, "it would arrive as str, not as Colour"),
    (str | Colour, Colour.RED, "not as Colour"),
    (list[int] | set[int], {1}, "it would arrive as list, not as set"),
    (Sequence[int], (1, 2), "it would arrive as list, not as tuple"),
    (float, 10**5000, "value = a long integer"),
    (float, 2**53 + 1, "it would arrive as 9007199254740992.0"),
    (list[float], [1, 2**53 + 1], "value.1 = "),
    (Point, Point(2**53 + 1), "value.x = "),
    (dict[str, Point], {"a": {"x": 2**53 + 1}}, "value.a.x = "),
    (float, Decimal("0." + "1" * 60), "it would arrive as 0.1111"),
    (str, Size.BIG, "it would arrive as str, not as Size"),
    (str, Text("a"), "not as Text"),
    (int, Level.LOW, "not as Level"),
    (int, True, "not as bool"),
    (list[str], ["a", Size.BIG], "value.1 = "),
    (dict[str, int], {Size.BIG: 1}, "not as Size"),
    (dict[str, int], collections.OrderedDict(a=1), "OrderedDict"),
    (tuple[int, float], Pair(1, 2.0), "not as Pair"),
    (date, datetime(2026, 1, 1), "it would arrive as date, not as datetime"),
    (Person, {"name": "Ann", "salary": 1}, "value.salary = 1: it would be lost: the hint has no such key"),
    (Hidden, Hidden(shown=1, hidden=2), "value.hidden = 2"),
    (Annotated[str, AfterValidator(twice)], "a", "it would arrive as 'aaaa'"),
    (Any, (1, 2), "JSON has no tuple"),
    (dict[str, Any], {"a": (1,)}, "value.a = "),
    (datetime, datetime(1890, 1, 1, tzinfo=BERLIN), "it would arrive as"),
    (dict[int | str, int], {1: 1, "1": 2}, "value."),
    (Point, Point(_TEXT), "it would arrive as float, not as str"),
    (Any, Text("a"), "JSON has no Text"),
    (Any, 10**5000, "more than 4300 digits"),
    (int, 10**5000, "more than 4300 digits"),
    (Decimal, Decimal("NaN"), "finite"),
    (list[Any], [float("inf")], "no such number"),
    (Any, Decimal(1), "JSON has no Decimal"),
    (timedelta, 1e300, "value"),
    (str | int, "\ud800", "value"),
    (Literal[Colour.RED], Colour.RED, "Input should be"),
    (dict[int, int], {True: 1}, "not as bool"),
]

# The union decides, by the order of its members or by how well they fit: the same or refused, whatever it is.
OPEN = [
    (SecretBytes, SecretBytes(b"x")),
    (set[int] | list[int], [1]),
    (tuple[int, ...] | list[int], (1,)),
    (list[int] | tuple[int, ...], (1,)),
    (uuid.UUID | str, uuid.UUID(int=1)),
    (uuid.UUID | str, str(uuid.UUID(int=1))),
    (date | str, date(2026, 1, 1)),
    (date | str, "2026-01-01"),
    (str | date, "2026-01-01"),
    (Decimal | float, Decimal("0.5")),
    (Decimal | float, 0.5),
    (float | Decimal, 0.5),
    (Decimal | str, "1"),
    (bytes | str, b"a"),
    (bytes | str, "YQ=="),
    (timedelta | str, "PT1S"),
    (timedelta | float, timedelta(seconds=1)),
    (timedelta | int, 5),
    (datetime | int, 5),
    (datetime | date, date(2026, 1, 1)),
    (date | datetime, datetime(2026, 1, 1)),
    (bool | str, "true"),
    (int | bool, True),
    (float | int, 2**53 + 1),
    (float | int, 1),
    (Level | int, 1),
    (int | Level, Level.LOW),
    (Size | str, "big"),
    (dict[str, int] | Base, Base(a=1)),
    (Base | dict[str, int], {"a": 1}),
    (dict[str, int] | Base, {"a": 1}),
    (Person | Base, {"name": "Ann"}),
    (Person | Employee, {"name": "Ann", "salary": 1}),
    (Pair | tuple[int, float], (1, 2.0)),
    (tuple[int, float] | Pair, Pair(1, 2.0)),
    (Point | dict[str, float], {"x": 1.0, "y": 2.0}),
    (Path | str, "/a"),
    (str | Path, Path("/a")),
    (Literal["a"] | Colour, Colour.RED),
    (Literal[1] | bool, True),
    (Literal[1, True], True),
    (Literal[0] | None, None),
    (frozenset[int] | set[int], {1}),
    (list[int] | list[str], ["1"]),
    (dict[int, str] | dict[str, str], {"1": "a"}),
    (time | str, time(1)),
]
