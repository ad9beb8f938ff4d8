"""Arguments by type hints: converted at enqueue and at run, refused with their path. No test here but the last has a database."""

import enum
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from time import process_time
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, NotRequired, Optional, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from pgqueue import INJECTED, Inject, JobContext, PgQueue, Task
from pgqueue.codec.parameters import Parameters
from pgqueue.errors import ConfigurationError, InvalidArgument
from tests.looking import Look

if TYPE_CHECKING:
    from http.client import HTTPConnection

URL = "postgresql://nobody@localhost:1/nothing"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    x: int
    y: float


class Person(TypedDict):
    name: str
    born: NotRequired[date]


@dataclass
class Item:
    name: str
    price: Decimal


@dataclass
class Order:
    id: int
    items: list[Item]
    at: datetime | None = None
    seal: bytes = b""
    within: timedelta = timedelta(0)


@dataclass
class Node:
    value: float
    children: "list[Node]" = field(default_factory=list)


class Account(BaseModel):
    id: uuid.UUID
    limits: dict[str, Decimal] = {}
    level: Level = Level.LOW


class Aliased(BaseModel):
    user_id: int = Field(alias="userId")


T = TypeVar("T")
_TextTo = dict[str, T]
_Tuple = tuple[T, ...]


class Stuck:
    """Nothing that pydantic knows."""


def signature_of(hint: Any) -> Parameters:
    """The signature of a task with one argument `value` of this hint."""

    def handler(value: Any) -> None: ...

    handler.__annotations__["value"] = hint
    return Parameters("store", handler)


def there_and_back(hint: Any, value: Any) -> Any:
    """The value as a handler gets it, by way of text that PostgreSQL reads and writes again."""
    signature = signature_of(hint)
    stored = json.loads(signature.dump({"value": value}))
    return signature.load(json.dumps(stored))["value"]


MOMENT = datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC)
NUMBER = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, 2**80),
        (float, 0.1),
        (datetime, MOMENT),
        (datetime, MOMENT.replace(tzinfo=None)),
        (date, date(2026, 3, 4)),
        (time, time(1, 2, 3, 4)),
        (timedelta, timedelta(days=-3, microseconds=1)),
        (uuid.UUID, NUMBER),
        (Decimal, Decimal("1.10")),
        (Colour, Colour.BLUE),
        (Level, Level.HIGH),
        (bytes, b"\xff\x00\xfe"),
        (set[int], {3, 1, 2}),
        pytest.param(frozenset[str], frozenset("ab"), id="frozenset"),  # its repr is in another order in each process
        (tuple[int, str], (1, "a")),
        (tuple[date, ...], (date(2026, 1, 1),)),
        (Point, Point(1, 2.5)),
        (Person, {"name": "Ann", "born": date(2000, 1, 1)}),
        (Person, {"name": "Ann"}),
        (Literal["a", 3], 3),
        (int | None, None),
        (int | str, "42"),
        (list[uuid.UUID] | None, [NUMBER]),
        (dict[date, set[Decimal]], {date(2026, 1, 1): {Decimal("1.5")}}),
        (Mapping[str, Sequence[bytes]], {"a": [b"\xfe"]}),
        (Order, Order(1, [Item("cup", Decimal("9.90"))], MOMENT, b"\xff", timedelta(hours=1))),
        (list[Order], [Order(1, [])]),
        (Node, Node(1, [Node(2.5), Node(3, [Node(4)])])),
        (Account, Account(id=NUMBER, limits={"day": Decimal("0.1")}, level=Level.HIGH)),
        (Aliased, Aliased(userId=5)),
        (Account | Order, Order(1, [])),
        (Any, {"a": [1, 2.5, None, True, "ü"]}),
        (dict[str, Any], {"a": [1, {"b": None}]}),
        (object, "text"),
    ],
    ids=repr,
)
def test_a_value_is_the_same_at_run(hint: Any, value: Any) -> None:
    back = there_and_back(hint, value)
    assert back == value
    assert type(back) is type(value)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timedelta(minutes=minutes))
numbers = st.floats(allow_nan=False, allow_infinity=False)
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
Typed = tuple[Any, st.SearchStrategy[Any]]  # a hint, and values of it
scalars: list[Typed] = [
    (int, st.integers()),
    (float, numbers),
    (str, texts),
    (bool, st.booleans()),
    (bytes, st.binary(max_size=20)),
    (datetime, st.datetimes(timezones=st.none() | st.just(UTC))),
    (date, st.dates()),
    (time, st.times()),
    (timedelta, st.timedeltas(timedelta(days=-10**6), timedelta(days=10**6))),
    (uuid.UUID, st.uuids()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False, places=4)),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
]  # fmt: skip


def _around(
    *containers: tuple[Any, Callable[[st.SearchStrategy[Any]], st.SearchStrategy[Any]]],
) -> Callable[[Typed], list[Typed]]:
    return lambda inner: [(container[inner[0]], values(inner[1])) for container, values in containers]


_any = _around(
    (list, lambda inner: st.lists(inner, max_size=3)),
    (Optional, lambda inner: st.none() | inner),
    (_TextTo, lambda inner: st.dictionaries(texts, inner, max_size=3)),
    (_Tuple, lambda inner: st.lists(inner, max_size=3).map(tuple)),
)
_hashable = _around((set, lambda inner: st.sets(inner, max_size=3)), (frozenset, lambda inner: st.frozensets(inner, max_size=3)))


def _deeper(typed: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    """Hints with their values, one level around others."""
    return typed.flatmap(lambda of: st.sampled_from(_any(of))) | st.sampled_from(scalars).flatmap(
        lambda of: st.sampled_from(_hashable(of))
    )


typed_values = st.recursive(st.sampled_from(scalars), _deeper, max_leaves=3).flatmap(lambda of: st.tuples(st.just(of[0]), of[1]))


@settings(deadline=None, max_examples=300)
@given(typed_values)
def test_any_value_of_any_type_is_the_same_at_run(typed: tuple[Any, Any]) -> None:
    hint, value = typed
    assert there_and_back(hint, value) == value


@settings(deadline=None, max_examples=300)
@given(plain_json)
def test_what_json_holds_needs_no_hint(value: Any) -> None:
    assert there_and_back(Any, value) == value


def test_equal_sets_are_equal_text() -> None:
    signature = signature_of(set[int])
    one, other = {8, 0}, {0, 8}  # the same, but they were filled in another order and collide
    assert list(one) != list(other)
    assert signature.dump({"value": one}) == signature.dump({"value": other})


def test_what_can_be_converted_is_when_it_is_enqueued() -> None:
    assert signature_of(int).dump({"value": "42"}) == '{"value":42}'
    assert signature_of(Order).dump({"value": {"id": "1", "items": []}}).startswith('{"value":{"id":1,"items":[]')


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (int, "x", "value = 'x': Input should be a valid integer, unable to parse string as an integer"),
        (float, float("nan"), "value = nan: Input should be a finite number"),
        (list[float], [1.0, float("inf")], "value.1 = inf: Input should be a finite number"),
        (Node, Node(1, [Node(float("nan"))]), "value.children.0.value = nan: JSON has no such number"),
        (Order, {"id": 1, "items": [{"name": "c", "price": "abc"}]}, "value.items.0.price = 'abc': Input should be a valid"),
        (Order, Order(1, [Item("cup", "abc")]), "value.items.0.price = 'abc': Input should be a valid decimal"),  # type: ignore[arg-type]
        (Order, {"items": []}, "value.id = {'items': []}: this field is missing"),
        (int | uuid.UUID, "x", "value = 'x': Input should be a valid integer, unable to parse string as an integer, or Input"),
        (Literal["a", "b"], "c", "value = 'c': Input should be 'a' or 'b'"),
        (Colour, "green", "value = 'green': Input should be 'red' or 'blue'"),
        (Annotated[int, Field(gt=3)], 2, "value = 2: Input should be greater than 3"),
        (str, "nul \x00", r"value = 'nul \x00': PostgreSQL cannot store the character NUL"),
        (list[str], ["a", "\x00"], r"value.1 = '\x00': PostgreSQL cannot store"),
        (dict[str, int], {"\x00": 1}, r" = '\x00': PostgreSQL cannot store"),
        (str, "\ud800", r"value = '\ud800': "),
        (Any, "\ud800", r"value = '\ud800': half of a surrogate pair is not valid text"),
        (Any, {"\ud800": 1}, "half of a surrogate pair is not valid text"),
        (Any, {1, 2}, "value = {1, 2}: JSON has no set; a type hint says how to store it"),
        (Any, b"x", "value = b'x': JSON has no bytes"),
        (Any, MOMENT, "JSON has no datetime"),
        (Any, NUMBER, "JSON has no UUID"),
        (Any, Colour.RED, "JSON has no Colour"),
        pytest.param(Any, [{"deep": [object()]}], "value.0.deep.0 = <object object at ", id="object"),
        (Any, {1: 2}, "value.1 = 1: a key in JSON is text, not int"),
        (dict[str, Any], {"a": {MOMENT}}, "value.a = "),
        (list[Any], [b"x"], "value.0 = b'x': JSON has no bytes"),
        (dict, {"a": b"x"}, "value.a = b'x': JSON has no bytes"),
        (Any, "x" * 10_000 + "\x00", "value = 'xxxxxxxx"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_wrong_value_is_named_in_one_line_with_its_path(hint: Any, value: Any, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        signature_of(hint).dump({"value": value})
    text = str(caught.value)
    assert text.startswith("args: task 'store' cannot take value")
    assert message in text
    assert text.isprintable()
    assert len(text) < 400


def _cycle() -> list[Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


def _deep(levels: int) -> list[Any]:
    return [_deep(levels - 1)] if levels > 1 else []


def test_a_megabyte_of_long_numbers_is_looked_through_at_once() -> None:
    numbers = [10**4000] * 250
    began = process_time()
    assert there_and_back(Any, numbers) == numbers
    assert process_time() - began < 3


def test_what_is_nested_too_deep_to_be_read_is_refused_when_it_is_enqueued() -> None:
    assert there_and_back(Any, _deep(150)) == _deep(150)
    for value in (_deep(300), _cycle()):
        with pytest.raises(InvalidArgument, match="nested more than 190 levels deep"):
            signature_of(Any).dump({"value": value})
    node = Node(0)
    for _ in range(150):
        node = Node(0, [node])
    with pytest.raises(InvalidArgument, match="args: task 'store' cannot"):
        signature_of(Node).dump({"value": node})


def test_everything_that_is_wrong_is_named_at_once() -> None:
    def handler(a: int, b: date, c: str = "") -> None: ...

    signature = Parameters("handler", handler)
    with pytest.raises(InvalidArgument, match=r"^args: task 'handler' cannot take a = 'x': Input .*; b = 'y': Input .*"):
        signature.dump({"a": "x", "b": "y"})
    with pytest.raises(InvalidArgument) as caught:
        signature.load('{"a": "x", "d": 1}')
    text = str(caught.value)
    assert text.startswith(
        "args: task 'handler' misses 'b'; has no argument 'd'; it takes 'a', 'b', 'c'; cannot take a = 'x': Input"
    )


def test_of_many_the_wrong_ones_are_named_by_their_place() -> None:
    def handler(n: int, order: Order | None = None) -> None: ...

    signature = Parameters("handler", handler)
    assert json.loads(signature.dump_many([{"n": 1}, {"n": "2"}])) == [{"n": 1}, {"n": 2}]
    with pytest.raises(InvalidArgument, match=r"cannot take 1\.n = 'x': Input .*; 2\.order\.items\.0\.price = 'y': "):
        signature.dump_many([{"n": 1}, {"n": "x"}, {"n": 3, "order": {"id": 1, "items": [{"name": "a", "price": "y"}]}}])
    with pytest.raises(InvalidArgument, match=r"cannot take 1\.order\.items\.0\.name = '\\x00': "):
        signature.dump_many([{"n": 1}, {"n": 2, "order": Order(1, [Item("\x00", Decimal(1))])}])


def test_a_default_is_the_function_s_own_business() -> None:
    def handler(when: date, retries: int = "several", *, urgent: bool = False) -> None: ...  # type: ignore[assignment]

    signature = Parameters("handler", handler)
    text = signature.dump(signature.bind((date(2026, 1, 1),), {}))
    assert text == '{"when":"2026-01-01"}'
    assert signature.load(text) == {"when": date(2026, 1, 1)}


def test_a_task_without_arguments_stores_an_empty_object() -> None:
    signature = Parameters("nothing", lambda: None)
    assert signature.dump({}) == "{}"
    first = signature.load("{}")
    first["ctx"] = 1  # each run gets a dict of its own
    assert signature.load("{}") == {}
    with pytest.raises(InvalidArgument, match="has no argument 'a'; it takes none"):
        signature.load('{"a": 1}')


@pytest.mark.parametrize("text", ["[]", "3", '{"value": ' + "[" * 500 + "]" * 500 + "}"])
def test_text_that_holds_no_arguments_is_an_invalid_argument(text: str) -> None:
    with pytest.raises(InvalidArgument, match="task 'store'"):
        signature_of(Any).load(text)


def _stuck(client: Stuck) -> None: ...


def _stuck_deep(a: int, clients: dict[str, list[Stuck]]) -> None: ...


def _returns_stuck() -> Stuck:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_stuck, r"task '_stuck': the type hint Stuck of parameter 'client' is not valid: .*Inject\[Stuck\].*drop the hint"),
        (_stuck_deep, r"the type hint dict\[str, list\[.*Stuck\]\] of parameter 'clients' is not valid"),
        (_returns_stuck, "the type hint Stuck of the returned value is not valid"),
    ],
)
def test_a_hint_without_a_json_form_is_refused_when_the_task_is_declared(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        PgQueue(URL).task(function)


def test_a_hint_that_is_defined_later_counts_from_the_first_use() -> None:
    space: dict[str, Any] = {"Any": Any}
    exec("def handler(a: 'list[Later]', b: 'int') -> 'Later': ...", space)
    signature = Parameters("handler", space["handler"])
    space["Later"] = date
    assert signature.dump({"a": [date(2026, 1, 1)], "b": 1}) == '{"a":["2026-01-01"],"b":1}'
    assert signature.load('{"a":["2026-01-01"],"b":1}')["a"] == [date(2026, 1, 1)]
    assert signature.load_result("2026-01-01") == date(2026, 1, 1)
    with pytest.raises(InvalidArgument, match=r"a\.0 = 'x'"):
        signature.dump({"a": ["x"], "b": 1})


def test_a_hint_that_is_defined_later_counts_when_a_worker_is_the_first_to_use_it() -> None:
    space: dict[str, Any] = {}
    exec("def handler(a: 'list[Later]'): ...", space)
    signature = Parameters("handler", space["handler"])
    space["Later"] = date
    for _ in range(2):
        assert signature.load('{"a":["2026-01-01"]}') == {"a": [date(2026, 1, 1)]}
    with pytest.raises(InvalidArgument, match=r"a\.0 = 'x'"):
        signature.load('{"a":["x"]}')


def test_a_hint_inside_of_a_type_that_is_defined_later_counts_too() -> None:
    class Outer(BaseModel):
        inner: "Inner"

    def handler(outer: Outer) -> None: ...

    signature = Parameters("handler", handler)

    class Inner(BaseModel):
        n: int

    Outer.model_rebuild()
    assert signature.dump({"outer": {"inner": {"n": "1"}}}) == '{"outer":{"inner":{"n":1}}}'


def test_a_hint_that_never_resolves_counts_for_nothing_and_the_others_count() -> None:
    def handler(what: "NotThere", n: int, ctx: "JobContext") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    signature = Parameters("handler", handler)
    assert signature.context_name == "ctx"
    assert signature.dump({"what": [1], "n": "2"}) == '{"what":[1],"n":2}'
    with pytest.raises(InvalidArgument, match="n = 'x'"):
        signature.dump({"what": 1, "n": "x"})
    with pytest.raises(InvalidArgument, match=r"what = \{1\}: JSON has no set"):
        signature.dump({"what": {1}, "n": 2})


def test_what_the_worker_passes_is_no_argument() -> None:
    class Client: ...

    def handler(ctx: JobContext, url: str, http: Inject[Client] = INJECTED, *, other: Inject[Stuck]) -> None: ...

    handler.__annotations__["http"] = Inject[Client]
    signature = Parameters("handler", handler)
    assert (signature.context_name, signature.injected) == ("ctx", {"http": Client, "other": Stuck})
    assert signature.bind(("u",), {}) == {"url": "u"}
    for name in ("ctx", "http", "other"):
        with pytest.raises(InvalidArgument, match=f"has no argument '{name}'; it takes 'url'"):
            signature.bind(("u",), {name: 1})
        with pytest.raises(InvalidArgument, match=f"has no argument '{name}'"):
            signature.load(json.dumps({"url": "u", name: 1}))


def test_an_injected_type_that_only_checkers_know_is_no_argument_and_named_when_it_is_needed() -> None:
    def handler(url: str, http: "Inject[HTTPConnection]" = INJECTED) -> None: ...

    signature = Parameters("handler", handler)
    assert signature.bind(("u",), {}) == {"url": "u"}
    with pytest.raises(ConfigurationError, match=r"task 'handler': .*outside of TYPE_CHECKING.*HTTPConnection"):
        _ = signature.injected


@pytest.fixture
def place(app: PgQueue) -> Task[[Order], None]:
    @app.task
    def place(order: Order) -> None: ...

    return place


def test_arguments_reach_the_database_in_their_json_form(place: Task[[Order], None], look: Look) -> None:
    order = Order(1, [Item("cup", Decimal("9.90"))], MOMENT, b"\xff", timedelta(hours=1))
    single, (of_many,) = place.enqueue(order), place.enqueue_many([(order,)])
    stored = {
        "id": 1,
        "items": [{"name": "cup", "price": "9.90"}],
        "at": "2026-03-04T05:06:07.000008Z",
        "seal": "_w==",
        "within": "PT1H",
    }
    assert look.job(single.id)["args"] == {"order": stored}
    assert look.job(of_many.id)["args"] == {"order": stored}
    with pytest.raises(InvalidArgument, match=r"order\.id = 'x'"):
        place.enqueue_many([(order,), (Order("x", []),)])  # type: ignore[arg-type]
    assert look.live() == 2
