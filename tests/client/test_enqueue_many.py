"""app.enqueue_many: jobs of any tasks, each with options of its own."""

import re

import psycopg
import pytest

from pgqueue import PgQueue, Signature, Task
from pgqueue.errors import InvalidArgument
from tests.looking import Look


def test_jobs_of_any_tasks_are_added_in_order_with_their_own_options(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    @app.task(queue="reports", retry=0, result_ttl=60)
    def report(day: str) -> None: ...

    jobs = app.enqueue_many([welcome.s(1), report.s(day="monday"), welcome.using(priority="high", meta=[7], run_after=60).s(2)])
    rows = [look.job(job.id) for job in jobs]
    assert [row["task"] for row in rows] == ["welcome", "report", "welcome"]
    assert [row["args"] for row in rows] == [{"user_id": 1}, {"day": "monday"}, {"user_id": 2}]
    assert [row["queue"] for row in rows] == ["default", "reports", "default"]
    assert [row["priority"] for row in rows] == [0, 0, 50]
    assert [row["max_attempts"] for row in rows] == [4, 1, 4]
    assert [row["state"] for row in rows] == ["ready", "ready", "scheduled"]
    assert [row["meta"] for row in rows] == [None, None, [7]]


async def test_async_code_adds_them_too(async_app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    jobs = await async_app.aenqueue_many([welcome.s(1), welcome.using(queue="mail").s(2)])
    assert [look.job(job.id)["queue"] for job in jobs] == ["default", "mail"]


def test_they_are_part_of_the_caller_s_transaction(
    app: PgQueue, welcome: Task[[int], str], database_url: str, look: Look
) -> None:
    with psycopg.connect(database_url) as theirs:
        app.enqueue_many([welcome.s(1), welcome.s(2)], connection=theirs)
        assert look.live() == 0
        theirs.rollback()
        app.enqueue_many([welcome.s(3)], connection=theirs)
    assert [row["args"] for row in look.rows("select args from job")] == [{"user_id": 3}]


def test_the_connection_may_be_named_by_the_signatures(
    app: PgQueue, welcome: Task[[int], str], database_url: str, look: Look
) -> None:
    with psycopg.connect(database_url) as theirs:
        bound = welcome.using(connection=theirs)
        app.enqueue_many([bound.s(1), bound.s(2)])
        app.enqueue_many([bound.s(3), welcome.s(4)], connection=theirs)
        theirs.rollback()
    assert look.live() == 0


def test_signatures_that_disagree_about_the_connection_are_refused(
    app: PgQueue, welcome: Task[[int], str], database_url: str, look: Look
) -> None:
    with psycopg.connect(database_url) as theirs, psycopg.connect(database_url) as others:
        one, another = welcome.using(connection=theirs).s(1), welcome.using(connection=others).s(2)
        for signatures in ([one, another], [welcome.s(3), one]):
            with pytest.raises(InvalidArgument, match=r"connection: 'welcome' names .* give connection= to that call"):
                app.enqueue_many(signatures)
        with pytest.raises(InvalidArgument, match="names another one"):
            app.enqueue_many([one], connection=others)
    assert look.live() == 0


def test_one_wrong_option_refuses_all(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    with pytest.raises(InvalidArgument, match="priority: '500' is not valid"):
        app.enqueue_many([welcome.s(1), welcome.using(priority=500).s(2)])
    assert look.live() == 0


def test_a_call_that_misses_what_a_parent_would_give_is_not_enqueued_by_itself(app: PgQueue, welcome: Task[[int], str]) -> None:
    with pytest.raises(InvalidArgument, match="misses 'user_id'"):
        app.enqueue_many([welcome.s(1), welcome.s()])


def test_nothing_is_added_for_nothing(app: PgQueue, look: Look) -> None:
    assert app.enqueue_many([]) == []


def test_a_signature_is_checked_where_it_is_made_and_adds_nothing(welcome: Task[[int], str], look: Look) -> None:
    assert isinstance(welcome.s(1), Signature)
    with pytest.raises(InvalidArgument, match="has no argument 'name'"):
        welcome.s(name="x")  # type: ignore[call-overload]
    assert look.live() == 0


@pytest.mark.parametrize("wrong", [1, [1], [], None, "ab", {1}])
def test_what_is_neither_tuple_nor_mapping_is_refused_by_its_place(app: PgQueue, look: Look, wrong: object) -> None:
    @app.task
    def count(n: int = 0) -> None: ...

    message = re.escape(f"args: task 'count': {wrong!r} at place 1 is not valid; give a tuple or a mapping")
    with pytest.raises(InvalidArgument, match=message):
        count.enqueue_many([(1,), wrong])  # type: ignore[list-item]
    assert look.live() == 0


async def test_async_code_is_refused_too(async_app: PgQueue, welcome: Task[[int], str]) -> None:
    with pytest.raises(InvalidArgument, match="at place 0 is not valid; give a tuple or a mapping"):
        await welcome.aenqueue_many([1, 2])  # type: ignore[list-item]
