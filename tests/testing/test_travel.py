"""travel: time passes for the jobs of a test, and for no others."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, Retry, Task, Unique
from pgqueue.errors import InvalidArgument, ResultExpired
from pgqueue.testing import drain, joined, travel
from tests.looking import Look

Connection = psycopg.Connection[Any]


@pytest.fixture
def double(app: PgQueue) -> Task[[int], int | None]:
    """A task whose result may be nothing."""

    @app.task
    def double(number: int) -> int | None:
        return 2 * number or None

    return double


def test_a_scheduled_job_becomes_due(app: PgQueue, double: Task[[int], int | None], theirs: Connection) -> None:
    double.using(connection=theirs, run_after=timedelta(hours=1)).enqueue(1)
    travel(app, theirs, timedelta(minutes=59))
    assert drain(app, theirs) == []
    travel(app, theirs, 61)
    assert [ran.result for ran in drain(app, theirs)] == [2]


def test_a_retry_comes_when_its_delay_is_over(app: PgQueue, theirs: Connection) -> None:
    @app.task(retry=Retry(1, backoff="fixed", delay=600, jitter=False))
    def fail() -> None:
        raise ValueError

    fail.using(connection=theirs).enqueue()
    assert [ran.state for ran in drain(app, theirs)] == ["scheduled"]
    travel(app, theirs, 590)
    assert drain(app, theirs) == []
    travel(app, theirs, 11)
    assert [ran.state for ran in drain(app, theirs)] == ["failed"]


@pytest.mark.parametrize("number", [1, 0])  # a result of None is not stored; its time is that of the history
def test_a_result_expires(app: PgQueue, double: Task[[int], int | None], theirs: Connection, number: int) -> None:
    with joined(app, theirs):
        job = double.using(result_ttl=100).enqueue(number)
        drain(app, theirs)
        assert travel(app, theirs, 90) == 1
        assert job.has_result()
        travel(app, theirs, 11)
        with pytest.raises(ResultExpired):
            job.result(timeout=0)


def test_the_period_of_a_unique_job_ends(app: PgQueue, double: Task[[int], int | None], theirs: Connection) -> None:
    once = double.using(connection=theirs, unique=Unique("period", period=100))
    first = once.enqueue(1)
    travel(app, theirs, 90)
    assert once.enqueue(1).id == first.id
    travel(app, theirs, 11)
    assert once.enqueue(1).id != first.id


def test_a_dead_letter_ages(app: PgQueue, theirs: Connection) -> None:
    @app.task(retry=0)
    def fail() -> None:
        raise ValueError

    fail.using(connection=theirs).enqueue()
    drain(app, theirs)
    travel(app, theirs, 1000)
    assert theirs.execute("select clock_timestamp() - finished_at > '1000 s' from dead_letter").fetchall() == [(True,)]


def test_what_ran_may_age_into_another_day_of_the_history(
    app: PgQueue, double: Task[[int], int | None], theirs: Connection
) -> None:
    double.using(connection=theirs).enqueue(1)
    drain(app, theirs)
    for _ in range(3):
        travel(app, theirs, timedelta(days=4))
    assert theirs.execute("select clock_timestamp() - finished_at > '12 days' from job_history").fetchall() == [(True,)]


def test_jobs_of_others_do_not_age(app: PgQueue, double: Task[[int], int | None], theirs: Connection, look: Look) -> None:
    double.using(run_after=60).enqueue(1)
    double.using(unique=Unique("period", period=60)).enqueue(1)
    queries = ("select job.*, xmin::text from job order by id", "select unique_hold.*, xmin::text from unique_hold")
    before = [look.rows(query) for query in queries]
    assert travel(app, theirs, 1000) == 0
    assert [[*map(dict, look.rows(query))] for query in queries] == before
    theirs.commit()
    assert [look.rows(query) for query in queries] == before


@pytest.mark.parametrize("time", [0, -1, timedelta(0), float("nan"), float("inf")])
def test_only_a_time_that_passes_is_valid(app: PgQueue, theirs: Connection, time: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^time: .* is not valid; use seconds or a timedelta, more than 0$"):
        travel(app, theirs, time)
