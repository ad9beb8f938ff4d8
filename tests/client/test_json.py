"""JSON as text and back: numbers are what they were, with orjson and without it."""

import importlib.util
import json
import math
import random
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pgqueue._json
from pgqueue._json import Unreadable, readable, with_floats

LARGEST = sys.float_info.max
INTEGERS = [2**53 + 1, 2**63, 2**64 - 1, 2**64, 2**64 + 1, -(2**64) - 1, 10**400, -(10**4299)]
FLOATS = [0.1, 5e-324, sys.float_info.min, 1e15, 1e16, 1e22, 1.5e300, LARGEST, -LARGEST, 2.0**63, 123456789012345680.0]


@pytest.fixture(params=["orjson", "standard library"])
def module(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """pgqueue._json as it is with orjson and without it."""
    if request.param == "orjson":
        yield pgqueue._json
        return
    monkeypatch.setitem(sys.modules, "orjson", None)
    spec = importlib.util.find_spec("pgqueue._json")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.loads_own is json.loads
    yield module


@pytest.mark.parametrize("number", [*INTEGERS, *FLOATS])
def test_a_number_is_the_same_after_dumps_and_loads(module: ModuleType, number: float) -> None:
    back = module.loads(module.dumps({"n": [number]}))["n"][0]
    assert (back, type(back)) == (number, type(number))


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": {"b": -math.inf}}, "\ud800", {"\ud800": 1}])
def test_what_is_not_json_is_refused(module: ModuleType, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        module.dumps(value)


@pytest.mark.parametrize("number", FLOATS)
def test_a_float_has_a_point_in_text_for_jsonb(module: ModuleType, number: float) -> None:
    """A jsonb number is a numeric: 1e22 comes back as 10000000000000000000000, an integer; 1.0 keeps its point."""
    text = module.with_floats(module.dumps(number))
    assert "." in text or "e-" in text
    assert json.loads(text) == number


def test_so_it_has_in_the_text_of_an_older_orjson(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.12 it wrote exponents without a plus; an application may have it, though our extra wants a newer one."""
    monkeypatch.setattr("pgqueue._json._MARK", "e")
    assert with_floats('{"1e16":1e16,"b":[-1.5e300,5e-324],"c":"1e22"}').count(".0") == 2


@given(st.recursive(st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.integers(), st.lists, max_leaves=5))
def test_points_change_nothing_but_floats(value: Any) -> None:
    text = json.dumps(value)
    assert json.loads(with_floats(text)) == value


def test_points_are_added_in_numbers_and_not_in_strings() -> None:
    rng = random.Random(7)
    strings = ["1e5", 'a"1e5', "\\1e+22", '\\"3e4"', "e5", *("".join(rng.choices('\\"1e+5, ', k=12)) for _ in range(200))]
    for text in strings:
        assert json.loads(with_floats(json.dumps([text, 1e22, {text: 1e300}]))) == [text, 1e22, {text: 1e300}]


@pytest.mark.parametrize("document", ["[" * 20_000 + "]" * 20_000, "9" * 4301], ids=["deep", "long"])
def test_what_python_cannot_hold_is_read_as_its_text(document: str) -> None:
    assert isinstance(readable(document), Unreadable)
    assert readable(document) == readable(document.encode()) == document
