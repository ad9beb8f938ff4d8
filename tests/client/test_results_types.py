"""Results by return annotation: how they are stored and what the caller gets. What a worker does is done in SQL here."""

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

import pytest
from hypothesis import given, settings
from pydantic import BaseModel, SecretStr

from pgqueue import Cancel, PgQueue, RetryIn, Snooze
from pgqueue.codec.parameters import Parameters
from tests.client.test_arguments import Colour, Item, Order, _deep, typed_values
from tests.looking import Look

MOMENT = datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC)
NUMBER = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Report(BaseModel):
    rows: int
    seen: set[str] = set()


class Pair(NamedTuple):
    left: date
    right: Decimal


@dataclass
class Loose:
    share: float
    text: str = ""


def returning(hint: Any) -> Parameters:
    """The signature of a task that returns this."""

    def handler() -> Any: ...

    handler.__annotations__["return"] = hint
    return Parameters("give", handler)


def there_and_back(hint: Any, value: Any) -> Any:
    """The value as the caller gets it."""
    signature = returning(hint)
    text = signature.dump_result(value)
    return signature.load_result(None if text is None else json.loads(text))


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (datetime, MOMENT),
        (Decimal, Decimal("1.10")),
        (uuid.UUID, NUMBER),
        (bytes, b"\xff\xfe"),
        (Colour, Colour.RED),
        (set[int], {1, 2}),
        (tuple[date, ...], (date(2026, 1, 1),)),
        (Pair, Pair(date(2026, 1, 1), Decimal("2.5"))),
        (Report, Report(rows=3, seen={"a"})),
        (Order, Order(1, [Item("cup", Decimal("9.90"))], MOMENT, b"\xff")),
        (list[Report] | None, [Report(rows=1)]),
        (Report | Snooze | Cancel, Report(rows=1)),
        (dict[int, date], {1: date(2026, 1, 1)}),
        (int, 5),
        (int, 2**80),
        (dict[str, Any], {"a": [1, None]}),
        (Any, [1, "a"]),
        (Report, None),
    ],
    ids=repr,
)
def test_a_result_comes_back_as_what_it_was(hint: Any, value: Any) -> None:
    back = there_and_back(hint, value)
    assert back == value
    assert type(back) is type(value)


@settings(deadline=None, max_examples=200)
@given(typed_values)
def test_any_result_of_any_type_comes_back_as_what_it_was(typed: tuple[Any, Any]) -> None:
    hint, value = typed
    assert there_and_back(hint, value) == value


@pytest.mark.parametrize("hint", [Any, None, int, NoReturn, RetryIn, Snooze | Cancel])
def test_nothing_is_stored_for_none(hint: Any) -> None:
    assert returning(hint).dump_result(None) is None


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, "text"),
        (Report, {"columns": 1}),
        (date, 3.5),
        (list[int], {"a": 1}),
        (set[int], ["x"]),
        (Report | Snooze, {"delay": 3}),
    ],
)
def test_what_does_not_fit_its_annotation_but_is_json_stays_as_it_is(hint: Any, value: Any) -> None:
    assert json.loads(returning(hint).dump_result(value) or "") == value
    assert returning(hint).load_result(value) == value


def test_what_fits_after_a_conversion_is_stored_converted() -> None:
    assert returning(Report).dump_result({"rows": "3"}) == '{"rows":3,"seen":[]}'
    assert returning(list[int]).dump_result((1, 2)) == "[1,2]"


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (Any, object(), "<object object at"),
        (None, {1}, "JSON has no set"),
        (Any, float("nan"), "nan: JSON has no such number"),
        (dict[str, float], {"a": float("inf")}, "a = inf: JSON has no such number"),
        (Any, {"a": ["\x00"]}, r"a.0 = '\x00': PostgreSQL cannot store the character NUL (\u0000)"),
        (Loose, Loose(float("nan")), "share = nan: JSON has no such number"),
        (Loose, Loose(1, "\x00"), r"text = '\x00': PostgreSQL cannot store"),
        (Loose, object(), "and is not of type Loose: <object object at"),
        (list[date], [MOMENT], "0 = "),
        (str, "\ud800", ""),
        (Loose, Loose(1, "\ud800"), ""),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(hint: Any, value: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        returning(hint).dump_result(value)
    assert message in str(caught.value)


async def test_a_handle_converts_the_result_of_its_task(async_app: PgQueue, look: Look) -> None:
    @async_app.task
    async def report(day: date) -> Report:
        return Report(rows=day.year)

    single, (of_many,) = report.enqueue(date(2026, 1, 1)), report.enqueue_many([(date(2026, 1, 1),)])
    worker, token = uuid.uuid4(), uuid.uuid4()
    look.value("select register_worker(%s, 'w', 'host', 1, '0', '{default}', 2, '30 s')", worker)
    look.rows("select id from claim(%s, %s, '{default}', 2)", worker, token)
    for job, result in ((single, {"rows": 3, "seen": ["a"]}), (of_many, {"rows": "many"})):
        outcome = {"id": job.id, "token": str(token), "state": "succeeded", "result": result}
        look.rows("select * from finish(%s)", json.dumps([outcome]))
    assert single.result(timeout=0) == Report(rows=3, seen={"a"})
    assert await single.aresult(timeout=0) == Report(rows=3, seen={"a"})
    unfit: Any = of_many.result(timeout=0)
    assert unfit == {"rows": "many"}
    assert async_app.job(single.id).result(timeout=0) == Report(rows=3, seen={"a"})


@dataclass
class Longer(Loose):
    more: int = 0


class Secret(BaseModel):
    token: SecretStr


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (Loose, Longer(1), "it would arrive as Loose, not as Longer"),
        (Secret, Secret(token="hunter2"), "token = SecretStr('**********'): it would arrive as"),  # type: ignore[arg-type]
        (Colour | str, Colour.RED, "it would arrive as str, not as Colour"),
        (list[int] | set[int], {1}, "it would arrive as list, not as set"),
        (Loose, Loose(2**53 + 1), "share = 9007199254740993: it would arrive as 9007199254740992.0"),
        (Loose, Loose("1"), "share = '1': it would arrive as float, not as str"),  # type: ignore[arg-type]
        (date, MOMENT, "2026"),
        (Any, NUMBER, "JSON has no UUID; a type hint says how to store it"),
        (None, {"colour": Colour.RED}, "colour = <Colour.RED: 'red'>: JSON has no Colour"),
        (Any, {1: 2}, "1 = 1: a key in JSON is text, not int"),
        (Any, 10**4301, "a long integer: it has more than 4300 digits; give it as text"),
        (int, [10**4301], "0 = a long integer: it has more than 4300 digits"),
        (set[int], {10**4301}, "a long integer: it has more than 4300 digits"),
        (Any, _deep(300), "it is nested more than 190 levels deep"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_result_that_would_come_back_as_something_else_is_refused(hint: Any, value: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        returning(hint).dump_result(value)
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        *((Any, number) for number in (2**53 + 1, 2**64 + 1, -(2**70), 10**4299, 1e22, 1.7976931348623157e308, 5e-324, 3.0)),
        (float, 1e22),
        (int | float, 1e22),
        (int | float, 10**22),
        (Loose, Loose(1e22)),
        (list[Loose], [Loose(5e-324)]),
        (Decimal, Decimal("0." + "1" * 60)),
        (Any, {"a": [2**64, 1e16, "1e16", ""]}),
    ],
    ids=lambda part: repr(part)[:40],
)
def test_numbers_of_results_are_what_they_were_also_in_jsonb(hint: Any, value: Any, look: Look) -> None:
    stored = look.value("select %s::jsonb::text", returning(hint).dump_result(value))
    back = returning(hint).load_result(json.loads(stored))
    assert (back, type(back)) == (value, type(value))


def test_a_tuple_without_a_hint_comes_back_as_a_list() -> None:
    assert there_and_back(None, (1, (2, {"a": ()}))) == [1, [2, {"a": []}]]
