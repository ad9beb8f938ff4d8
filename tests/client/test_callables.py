"""What can be registered as a task: a function by its name, other callables by a given one; the rest is refused in words."""

import asyncio
import functools
import math
import operator
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from unittest.mock import MagicMock

import pytest

from pgqueue import JobContext, PgQueue
from pgqueue.errors import ConfigurationError, InvalidArgument
from tests.worker.conftest import burst


class Adder:
    """Called like a function."""

    def __init__(self, plus: int) -> None:
        self.plus = plus

    def __call__(self, number: "int", day: "date | None" = None) -> "int":
        return number + self.plus

    def method(self, number: int) -> int:
        return number + self.plus

    async def amethod(self, number: int) -> int:
        return number + self.plus

    @staticmethod
    def static(number: int) -> int:
        return number + 1

    @classmethod
    def made(cls, number: int) -> int:
        return number + 1


class AsyncAdder:
    async def __call__(self, ctx: JobContext, number: int) -> int:
        await asyncio.sleep(0)
        return number + 1


class Endless:
    def __call__(self) -> Iterator[int]:
        yield 1


@dataclass
class Data:
    number: int


def add(number: int, plus: int = 1) -> int:
    return number + plus


async def async_add(number: int, plus: int = 1) -> int:
    return number + plus


def count() -> Iterator[int]:
    yield 1


async def async_count() -> AsyncIterator[int]:
    yield 1


@functools.lru_cache
def cached(number: int) -> int:
    return number + 1


NAMED = {
    "add": add,
    "async_add": async_add,
    "method": Adder(1).method,
    "amethod": Adder(1).amethod,
    "static": Adder.static,
    "made": Adder.made,
    "cached": cached,
}
NAMELESS = {
    "object": Adder(1),
    "async object": AsyncAdder(),
    "lambda": lambda number: number + 1,
    "partial": functools.partial(add, plus=1),
    "async partial": functools.partial(async_add, plus=1),
    "partial of an object": functools.partial(Adder(1), day=None),
    "partial of an async object": functools.partial(AsyncAdder()),
    "partial of a partial": functools.partial(functools.partial(add), plus=1),
}


@pytest.mark.parametrize("function", NAMED.values(), ids=NAMED.keys())
async def test_what_has_a_name_is_registered_and_runs(async_app: PgQueue, function: Any) -> None:
    task: Any = async_app.task(function)
    assert task.name == function.__name__
    job = task.enqueue(1)
    await burst(async_app)
    assert await job.aresult(timeout=0) == 2


@pytest.mark.parametrize("function", NAMELESS.values(), ids=NAMELESS.keys())
async def test_what_has_no_name_needs_one_and_then_runs(async_app: PgQueue, function: Any) -> None:
    with pytest.raises(ConfigurationError, match=r'^task: .* has no name; give one, for example app\.task\(name="send"\)'):
        async_app.task(function)
    with pytest.raises(ConfigurationError, match="has no name"):
        async_app.task(queue="mail")(function)
    assert async_app.tasks == {}
    task: Any = async_app.task(name="given")(function)
    assert task.executor == ("async" if "async" in repr(function).lower() else "thread")
    job = task.enqueue(number=1)
    await burst(async_app)
    assert await job.aresult(timeout=0) == 2


async def test_the_hints_of_an_object_and_of_a_partial_count(async_app: PgQueue) -> None:
    for name, function in (("object", Adder(1)), ("partial", functools.partial(Adder(1))), ("function", functools.partial(add))):
        task: Any = async_app.task(name=name)(function)
        with pytest.raises(InvalidArgument, match="number = 'x': Input should be a valid integer"):
            task.enqueue("x")
        assert task.parameters.load('{"number": 1}') == {"number": 1}
    assert async_app.tasks["object"].parameters.load('{"number":1,"day":"2026-01-01"}')["day"] == date(2026, 1, 1)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (Data, r"^task: <class '.*Data'> is a class; give a function"),
        (int, "is a class"),
        ("send", r"^task: 'send' is not a function; give a name as name='send'"),
        (5, "^task: 5 is not a function"),
        (vars(Adder)["made"], "is not a function"),
        (count, "has a `yield`"),
        (async_count, "has a `yield`"),
        (functools.partial(count), "has a `yield`"),
        (Endless(), "has a `yield`"),
        (print, "parameter 'args' is not valid"),
        (len, "parameter 'obj' is not valid"),
        (math.hypot, "Python cannot read the signature of <built-in function hypot>|is not valid"),
        (max, "Python cannot read the signature of <built-in function max>; register a function that calls it"),
        (operator.itemgetter(1), "is not valid|cannot read the signature|has no name"),
        (MagicMock(), "is not valid|has a `yield`|has no name"),
    ],
    ids=lambda part: part if isinstance(part, str) else repr(part)[:30].split(" at ")[0].split(" id=")[0],
)
@pytest.mark.parametrize("name", [None, "given"])
def test_what_is_no_handler_is_refused_in_one_line(app: PgQueue, function: Any, message: str, name: str | None) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        app.task(name=name)(function)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    if name is None:
        with pytest.raises(ConfigurationError):
            app.task(function)
    assert app.tasks == {}


def test_a_task_is_not_registered_again(app: PgQueue) -> None:
    task = app.task(add)
    for again in (app, PgQueue("postgresql://")):
        with pytest.raises(ConfigurationError, match=r"^task: 'add' is already a task; use its function, add\.function"):
            again.task(task)
    PgQueue("postgresql://").task(task.function)


@pytest.mark.parametrize("name", ["", 5, b"x"])
def test_a_name_is_a_text_that_is_not_empty(app: PgQueue, name: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^task: .* is not valid; use a name of 1 to 200 characters"):
        app.task(name=name)(add)


def test_a_lambda_or_a_method_cannot_run_in_a_process(app: PgQueue) -> None:
    functions: list[Any] = [lambda n: n, Adder(1), functools.partial(add)]
    for number, function in enumerate(functions):
        with pytest.raises(ConfigurationError, match="cannot be imported by its name"):
            app.task(name=f"task {number}", executor="process")(function)
