"""app.jobs: lists and counts of the jobs that a filter describes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pgqueue import InvalidArgument, PgQueue, Task
from pgqueue.control import jobs as control_jobs
from pgqueue.control.filters import filter_json
from pgqueue.control.jobs import ListedJob
from tests.client.manual_worker import ManualWorker
from tests.looking import Look

Welcome = Task[[int], str]


def ids(jobs: list[ListedJob]) -> list[int]:
    return [job.id for job in jobs]


def test_a_filter_describes_jobs_by_keywords(app: PgQueue, welcome: Welcome) -> None:
    first = welcome.using(meta={"tenant": 7}).enqueue(1)
    later = welcome.using(run_after=3600, queue="mail").enqueue(2)

    assert ids(app.jobs().list().jobs) == [later.id, first.id]
    assert ids(app.jobs(state="ready").list().jobs) == [first.id]
    assert ids(app.jobs(queue=["mail", "post"], task="wel*").list().jobs) == [later.id]
    assert ids(app.jobs(args={"user_id": 1}, meta={"tenant": 7}).list().jobs) == [first.id]
    assert ids(app.jobs(ids=[later.id], queue=None).list().jobs) == [later.id]
    assert ids(
        app.jobs(created_after=timedelta(hours=-1), run_at_after=datetime.now(UTC) + timedelta(minutes=1)).list().jobs
    ) == [later.id]
    assert app.jobs(finished_after=timedelta(hours=-1)).list().jobs == []


def test_a_listed_job_has_what_the_view_has(app: PgQueue, welcome: Welcome, look: Look) -> None:
    job = welcome.enqueue(1)

    (listed,) = app.jobs().list().jobs

    assert (listed.id, listed.state, listed.task, listed.args, listed.attempt) == (job.id, "ready", "welcome", {"user_id": 1}, 0)
    assert listed.created_at == look.value("select created_at from job")


def test_pages_go_on_where_the_last_one_stopped(app: PgQueue, welcome: Welcome) -> None:
    added = [job.id for job in welcome.enqueue_many([(n,) for n in range(5)])]
    first = app.jobs(state="ready").list(2, order="id")
    second = app.jobs(state="ready").list(9, order="id", after=first.next)

    assert ids(first.jobs) + ids(second.jobs) == added[::-1]
    assert (second.next, second.looked_to) == (None, None)


def test_a_loop_goes_through_all_pages(app: PgQueue, welcome: Welcome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_jobs, "MOST_ROWS", 2)
    added = [job.id for job in welcome.enqueue_many([(n,) for n in range(5)])]

    assert [job.id for job in app.jobs(state="ready")] == added
    assert [job.id for job in app.jobs(state="failed")] == []


async def test_async_code_does_all_of_it_by_an_a_in_front(async_app: PgQueue) -> None:
    @async_app.task
    def hello() -> None: ...

    added = [(await hello.aenqueue()).id for _ in range(3)]

    assert ids((await async_app.jobs().alist(2)).jobs) == added[:0:-1]
    assert (await async_app.jobs().acount()).jobs == 3
    assert [job.id async for job in async_app.jobs(state="ready")] == added


def test_a_count_says_whether_it_is_whole(app: PgQueue, welcome: Welcome) -> None:
    welcome.enqueue_many([(n,) for n in range(5)])

    assert app.jobs(queue="default").count() == (5, True)
    assert app.jobs(queue="default").count(most=3) == (3, False)


def test_a_page_says_how_far_it_has_looked(app: PgQueue, welcome: Welcome, look: Look) -> None:
    look.rows(
        """insert into job (run_at, created_at, state, task)
           select clock_timestamp(), '2026-01-01Z', 'ready', 'noop' from generate_series(1, 100001)"""
    )
    page = app.jobs(task="unheard").list()

    assert (page.jobs, page.looked, page.looked_to) == ([], 100_000, datetime(2026, 1, 1, tzinfo=UTC))
    assert app.jobs(task="unheard").list(after=page.next).next is None


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "{}"),
        ({"queue": None}, "{}"),
        ({"ids": iter([3, 1])}, '{"ids":[3,1]}'),
        ({"state": ("ready", "failed")}, '{"state":["ready","failed"]}'),
        ({"worker": UUID(int=1)}, '{"worker":"00000000-0000-0000-0000-000000000001"}'),
        ({"created_after": timedelta(hours=-2)}, '{"created_after":"-7200.000000 seconds"}'),
        ({"created_after": datetime(2026, 1, 1, tzinfo=UTC)}, '{"created_after":"2026-01-01T00:00:00+00:00"}'),
        ({"args": {"a": 1e16}}, '{"args":{"a":10000000000000000.0}}'),
    ],
)
def test_a_filter_becomes_json(fields: dict[str, Any], text: str) -> None:
    assert filter_json(fields) == text


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"ids": "12"}, "ids"),
        ({"ids": [True]}, "ids"),
        ({"queue": "a\0"}, "queue"),
        ({"queue": ["a\ud800"]}, "queue"),
        ({"created_after": datetime(2026, 1, 1)}, "created_after"),
        ({"created_after": 5}, "created_after"),
        ({"args": {"a": float("nan")}}, "args"),
        ({"args": {"a": object()}}, "args"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument, match=rf"^{field}: "):
        filter_json(fields)


def test_what_sql_refuses_is_refused_by_name(app: PgQueue) -> None:
    with pytest.raises(InvalidArgument, match="'quue' is not valid; use ids, state"):
        app.jobs(quue="mail").list()  # type: ignore[call-arg]
    with pytest.raises(InvalidArgument, match=r"^order_by: 'run_at' is not valid"):
        app.jobs().list(order="run_at")
    with pytest.raises(InvalidArgument, match=r"^limit: 0"):
        app.jobs().list(0)
    with pytest.raises(InvalidArgument, match=r"^most: "):
        app.jobs().count(0)
    with pytest.raises(InvalidArgument, match=r"^after: 'x'"):
        app.jobs().list(after="x")
    with pytest.raises(InvalidArgument, match=r"^after: 5"):
        app.jobs().list(after=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match=r"^order: 5"):
        app.jobs().list(order=5)  # type: ignore[arg-type]


def test_running_jobs_are_found_by_their_worker(app: PgQueue, welcome: Welcome, manual_worker: ManualWorker) -> None:
    job = welcome.enqueue(1)
    manual_worker.claim()

    (listed,) = app.jobs(state="running").list().jobs

    assert listed.id == job.id
    assert ids(app.jobs(worker=listed.worker_id).list().jobs) == [job.id]
    assert repr(app.jobs(state="running")) == """Jobs({"state":"running"})"""
