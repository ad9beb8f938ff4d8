"""Middleware around each enqueue: what it sees and may change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest

from pgqueue import EnqueueCall, PgQueue, Task
from pgqueue.errors import InvalidArgument
from tests.looking import Look

Welcome = Task[[int], str]


async def test_it_sees_each_call_and_may_change_options_and_arguments(async_app: PgQueue, welcome: Welcome, look: Look) -> None:
    seen: list[Any] = []

    @async_app.around_enqueue
    def trace(call: EnqueueCall) -> Iterator[None]:
        seen.append((call.task, call.args, call.options.queue))
        call.change(meta={"trace": len(seen)}, priority="high", queue="traced")
        for args in call.args if isinstance(call.args, list) else [call.args]:
            args["user_id"] += 1
        yield
        seen.append("enqueued")

    ids = [welcome.enqueue(10).id, (await welcome.aenqueue(20)).id]
    ids += [job.id for job in welcome.using(meta={"own": 1}).enqueue_many([(30,), (40,)])]
    ids += [job.id for job in await welcome.aenqueue_many([(50,)])]
    rows = look.rows("select args, meta, priority, queue from jobs where id = any (%s) order by id", ids)
    assert [row["args"]["user_id"] for row in rows] == [11, 21, 31, 41, 51]
    assert [row["meta"]["trace"] for row in rows] == [1, 3, 5, 5, 7]
    assert {(row["priority"], row["queue"]) for row in rows} == {(50, "traced")}
    assert [what for what in seen if what != "enqueued"][:1] == [("welcome", {"user_id": 11}, "default")]
    assert seen.count("enqueued") == 4
    assert welcome.options.meta is None


def test_the_first_registered_is_outermost(app: PgQueue, welcome: Welcome) -> None:
    happened: list[str] = []

    def register(name: str) -> None:
        @app.around_enqueue
        @contextmanager
        def named(call: EnqueueCall) -> Iterator[None]:
            happened.append(name)
            yield
            happened.append(f"{name} ends")

    register("outer")
    register("inner")
    welcome.enqueue(1)
    assert happened == ["outer", "inner", "inner ends", "outer ends"]


def test_an_enqueue_that_is_refused_is_seen_and_nothing_is_enqueued(app: PgQueue, welcome: Welcome, look: Look) -> None:
    seen: list[BaseException] = []

    @app.around_enqueue
    def watch(call: EnqueueCall) -> Iterator[None]:
        try:
            yield
        except InvalidArgument as error:
            seen.append(error)
            raise LookupError("replaced") from error

    with pytest.raises(LookupError, match="replaced"):
        welcome.using(queue="not valid!").enqueue(1)
    assert len(seen) == 1
    assert look.live() == 0


@pytest.mark.parametrize("many", [False, True])
def test_an_error_that_it_swallows_is_raised_because_there_is_no_job(app: PgQueue, welcome: Welcome, many: bool) -> None:
    @app.around_enqueue
    def swallow(call: EnqueueCall) -> Iterator[None]:
        with suppress(Exception):
            yield

    bad = welcome.using(queue="not valid!")
    with pytest.raises(InvalidArgument, match="not valid!"):
        bad.enqueue_many([(1,)]) if many else bad.enqueue(1)


def test_what_it_raises_before_keeps_the_job_out(app: PgQueue, welcome: Welcome, look: Look) -> None:
    @app.around_enqueue
    def refuse(call: EnqueueCall) -> Iterator[None]:
        raise PermissionError("not now")
        yield

    with pytest.raises(PermissionError, match="not now"):
        welcome.enqueue(1)
    assert look.live() == 0


def test_options_that_it_changes_are_checked(app: PgQueue, welcome: Welcome) -> None:
    @app.around_enqueue
    def wrong(call: EnqueueCall) -> Iterator[None]:
        call.change(priority="urgent")  # type: ignore[arg-type]
        yield

    with pytest.raises(InvalidArgument, match="priority: 'urgent' is not valid"):
        welcome.enqueue(1)


def test_it_runs_around_an_enqueue_in_a_caller_s_transaction(
    app: PgQueue, welcome: Welcome, connect: Callable[..., psycopg.Connection[Any]], look: Look
) -> None:
    @app.around_enqueue
    def trace(call: EnqueueCall) -> Iterator[None]:
        call.change(meta="traced")
        yield

    with connect(autocommit=False) as connection:
        job = welcome.using(connection=connection).enqueue(1)
        assert look.live() == 0
    assert look.job(job.id)["meta"] == "traced"


def test_arguments_may_be_replaced_and_those_of_the_caller_stay_what_they_are(app: PgQueue, welcome: Welcome, look: Look) -> None:
    @app.around_enqueue
    def other(call: EnqueueCall) -> Iterator[None]:
        call.args = {"user_id": call.args["user_id"] + 100}
        call.args["user_id"] += 1
        yield

    signature = welcome.s(1)
    welcome.enqueue(1)
    app.enqueue_many([signature, signature])
    assert [row["args"] for row in look.rows("select args from job order by id")] == [{"user_id": 102}] * 3
    assert signature.args == {"user_id": 1}
