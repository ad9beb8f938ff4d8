"""unique=: two calls that are the same job. The rules are tested in tests/sql/test_unique.py."""

from math import inf, nan
from typing import Any

import pytest

from pgqueue import PgQueue, Task, Unique
from pgqueue.errors import InvalidArgument
from tests.looking import Look


def test_a_duplicate_is_the_handle_of_the_job_that_is_there(welcome: Task[[int], str], look: Look) -> None:
    once = welcome.using(unique="until_done")
    first, second, other = once.enqueue(1), once.enqueue(1), once.enqueue(2)
    assert (first.duplicate, second.duplicate, other.duplicate) == (False, True, False)
    assert first.id == second.id != other.id
    assert look.live() == 2


async def test_async_code_is_told_of_a_duplicate_too(async_app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    once = welcome.using(unique=Unique("until_started", key="user {user_id}"))
    first, second = await once.aenqueue(1), await once.aenqueue(1)
    assert (second.id, second.duplicate) == (first.id, True)
    assert look.live() == 1


def test_a_duplicate_raises_nothing_in_the_caller_s_transaction(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    kept = welcome.using(unique="until_done").enqueue(1)
    with app.database.pool().connection() as theirs, theirs.transaction():
        found = welcome.using(unique="until_done", connection=theirs).enqueue(1)
        welcome.using(connection=theirs).enqueue(2)
    assert (found.id, found.duplicate) == (kept.id, True)
    assert look.live() == 2


def test_a_task_may_be_unique_by_its_decorator(app: PgQueue, look: Look) -> None:
    @app.task(unique=Unique("period", period=3600))
    def report(day: str) -> None: ...

    assert report.enqueue("monday").id == report.enqueue("monday").id
    assert look.live() == 1


def test_many_at_once_tell_which_of_them_are_duplicates(welcome: Task[[int], str], look: Look) -> None:
    once = welcome.using(unique="until_done")
    there = once.enqueue(2)
    jobs = once.enqueue_many([(1,), (2,), {"user_id": 3}, (1,)])
    assert [job.duplicate for job in jobs] == [False, True, False, True]
    assert (jobs[1].id, jobs[3].id) == (there.id, jobs[0].id)
    assert look.live() == 3


def test_replacing_gives_the_waiting_job_the_new_arguments_and_time(app: PgQueue, look: Look) -> None:
    @app.task(unique=Unique("replace", key="document {id}"))
    def save(id: int, text: str) -> None: ...

    first = save.using(run_after=60).enqueue(1, "draft")
    second = save.using(run_after=0, priority="high").enqueue(1, "final")
    assert (second.id, second.duplicate) == (first.id, True)
    row = look.job(first.id)
    assert (row["args"], row["state"], row["priority"]) == ({"id": 1, "text": "final"}, "ready", 50)


def test_one_may_look_before_enqueueing(welcome: Task[[int], str], look: Look) -> None:
    once = welcome.using(unique=Unique("period", period=60))
    assert once.find_duplicate(1) is None
    job = once.enqueue(1)
    found = once.find_duplicate(1)
    assert found is not None
    assert (found.id, found.duplicate) == (job.id, True)
    assert welcome.find_duplicate(1) is None  # a job that is not unique stands in nobody's way
    assert look.live() == 1


async def test_async_code_may_look_too(async_app: PgQueue, welcome: Task[[int], str]) -> None:
    job = await welcome.using(unique="until_done").aenqueue(1)
    found = await welcome.afind_duplicate(1)
    assert found is not None
    assert found.id == job.id


@pytest.mark.parametrize(
    ("unique", "message"),
    [
        ({"mode": "sometimes"}, "'sometimes' is not valid; use until_done, until_started, replace, period"),
        ({"mode": "period"}, "belong together"),
        ({"mode": "until_done", "period": 60}, "belong together"),
    ],
)
def test_a_wrong_rule_is_refused_where_it_is_written(unique: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Unique(**unique)  # type: ignore[arg-type]


@pytest.mark.parametrize("period", ["x", nan, inf, -inf, 1e300, True, [60]])
def test_a_period_that_is_no_time_is_refused_where_it_is_written(period: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^unique_period: .+ is not valid; use a timedelta or a number of seconds"):
        Unique("period", period=period)


@pytest.mark.parametrize("key", [5, True, ["user_id"], b"x", "half \ud800", "\x00"])
def test_a_key_that_is_no_text_is_refused_where_it_is_written(key: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^unique_key: .+ is not valid; "):
        Unique(key=key)


def test_a_mode_that_does_not_exist_is_refused_by_using(welcome: Task[[int], str]) -> None:
    with pytest.raises(InvalidArgument, match="unique: 'never' is not valid"):
        welcome.using(unique="never")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("unique", "message"),
    [
        (Unique(key="{tenant}"), "unique_key: '{tenant}' is not valid; the arguments have no 'tenant'"),
        (Unique(key=""), "unique_key: '' is not valid"),
        (Unique("period", period=-1), "unique_period: .* mode period needs an interval above 0"),
        (Unique("period", period=0), "unique_period: .* mode period needs an interval above 0"),
    ],
)
def test_what_sql_refuses_is_named(welcome: Task[[int], str], look: Look, unique: Unique, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        welcome.using(unique=unique).enqueue(1)
    assert look.live() == 0
