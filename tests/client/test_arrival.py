"""Arguments under every kind of hint: the handler gets what was sent, in value and type, or enqueue refuses and says why."""

import collections
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, StringConstraints

from pgqueue import PgQueue
from pgqueue.errors import InvalidArgument
from tests.client.arriving import OPEN, REFUSED, SAME, Base, Box, Colour, Derived, Login, Noted, Other, Point
from tests.client.test_arguments import signature_of, there_and_back
from tests.looking import Look


def alike(sent: Any, arrived: Any) -> bool:
    """In value and type, down to the last field."""
    if type(sent) is int and type(arrived) is float:
        return sent == arrived
    if isinstance(sent, datetime):
        return sent.isoformat() == str(arrived.isoformat())
    if type(sent) is not type(arrived):
        return False
    if isinstance(sent, BaseModel | Point | Other | Noted):
        return alike(vars(sent), vars(arrived))
    if isinstance(sent, dict):
        return sent.keys() == arrived.keys() and all(alike(value, arrived[key]) for key, value in sent.items())
    if isinstance(sent, list | tuple | collections.deque):
        return len(sent) == len(arrived) and all(map(alike, sent, arrived))
    return bool(sent == arrived)


def _name(part: Any) -> str:
    return "a long integer" if part == 10**5000 else repr(part)[:60]


@pytest.mark.parametrize(("hint", "value"), SAME, ids=_name)
def test_a_value_arrives_as_it_was_sent(hint: Any, value: Any) -> None:
    assert alike(value, there_and_back(hint, value))


@pytest.mark.parametrize(("hint", "value", "message"), REFUSED, ids=_name)
def test_what_would_arrive_as_something_else_is_refused_with_its_place(hint: Any, value: Any, message: str) -> None:
    signature = signature_of(hint)
    with pytest.raises(InvalidArgument) as caught:
        signature.dump({"value": value})
    refusal = str(caught.value)
    assert refusal.startswith("args: task 'store' cannot take value")
    assert message in refusal
    assert refusal.isprintable()
    assert len(refusal) < 400
    assert "hunter2" not in refusal
    with pytest.raises(InvalidArgument, match=r"cannot take 0\.value"):
        signature.dump_many([{"value": value}, {"value": value}])


@pytest.mark.parametrize(("hint", "value"), OPEN, ids=_name)
def test_a_union_gives_the_same_or_refuses(hint: Any, value: Any) -> None:
    with suppress(InvalidArgument):
        assert alike(value, there_and_back(hint, value))


def test_types_that_are_defined_later_are_compared_too() -> None:
    space: dict[str, Any] = {"BaseModel": BaseModel, "Base": Base, "Derived": Derived}
    exec(
        "def handler(a: 'list[Later]', b: 'Base | None' = None): ...\nclass Later(Base): pass\nclass Sub(Later): c: int = 0",
        space,
    )
    from pgqueue.codec.parameters import Parameters

    parameters = Parameters("store", space["handler"])
    assert parameters.load(parameters.dump({"a": [space["Later"](a=1)]})) == {"a": [space["Later"](a=1)]}
    with pytest.raises(InvalidArgument, match=r"a\.0 = .* it would arrive as Later, not as Sub"):
        parameters.dump({"a": [space["Sub"](c=1)]})


def test_what_is_not_of_the_hints_type_is_converted() -> None:
    for hint, value, arrived in [
        (int, "42", 42),
        (Point, {"x": 1}, Point(1.0)),
        (list[int], (1, 2), [1, 2]),
        (set[int], [2, 1], {1, 2}),
        (Decimal, 0.1, Decimal("0.1")),
        (Colour, "red", Colour.RED),
        (date, "2026-01-01", date(2026, 1, 1)),
        (Annotated[str, StringConstraints(strip_whitespace=True)], " a ", "a"),
        (Iterable[int], (n for n in (1, 2)), [1, 2]),
        (float, Decimal("0.5"), 0.5),
        (Box[int], Box(value=1), Box[int](value=1)),
    ]:
        assert alike(arrived, there_and_back(hint, value))


def test_an_instance_that_does_not_fit_its_own_class_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"value\.x = '1': it would arrive as float, not as str"):
        signature_of(Point).dump({"value": Point("1")})  # type: ignore[arg-type]


def test_a_type_without_equality_is_compared_by_its_fields() -> None:
    @dataclass(eq=False)
    class Plain:
        name: str
        parts: list[Base]

    assert alike(vars(Plain("a", [Base()])), vars(there_and_back(Plain, Plain("a", [Base()]))))
    with pytest.raises(InvalidArgument, match=r"value\.parts\.0 = .*not as Derived"):
        signature_of(Plain).dump({"value": Plain("a", [Derived()])})


def test_a_refused_argument_enqueues_nothing(app: PgQueue, look: Look) -> None:
    @app.task
    def log_in(login: Login) -> None: ...

    login = Login(user="a", password="hunter2")  # type: ignore[arg-type]
    for attempt in (
        lambda: log_in.enqueue(login),
        lambda: log_in.enqueue_many([(login,)]),
        lambda: log_in.using(priority=1).enqueue(login),
    ):
        with pytest.raises(InvalidArgument, match=r"login\.password = SecretStr\('\*+'\): it would arrive as"):
            attempt()
    assert look.live() == 0


def test_through_the_database_too(app: PgQueue, look: Look) -> None:
    """jsonb is not text: it has its own numbers."""
    for hint, value in SAME:
        parameters = signature_of(hint)
        stored = look.value("select %s::jsonb::text", parameters.dump({"value": value}))
        assert alike(value, parameters.load(stored)["value"]), (hint, value)
        assert json.loads(stored)
