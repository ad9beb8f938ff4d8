"""assert_enqueued and refute_enqueued: what is enqueued, and a message that says what is."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pgqueue import PgQueue, Task
from pgqueue.errors import InvalidArgument
from pgqueue.testing import aassert_enqueued, arefute_enqueued, assert_enqueued, drain, refute_enqueued

Connection = psycopg.Connection[Any]
ID = UUID("12345678-1234-5678-1234-567812345678")


@pytest.fixture
def send(app: PgQueue) -> Task[..., None]:
    """A task with arguments of types that JSON does not have."""

    @app.task
    def send(to: UUID, text: str, at: datetime | None = None) -> None: ...

    return send


def test_arguments_that_are_given_match_after_json(send: Task[..., None], theirs: Connection) -> None:
    job = send.using(connection=theirs).enqueue(ID, "hello", at=datetime(2030, 1, 1, tzinfo=UTC))
    (found,) = assert_enqueued(send, theirs, to=ID)
    assert found.id == job.id
    assert_enqueued(send, theirs)
    assert_enqueued(send, theirs, to=str(ID), text="hello")
    assert_enqueued(send, theirs, at=datetime(2030, 1, 1, tzinfo=UTC), args={"text": "hello"})
    with pytest.raises(AssertionError, match=r'text is "hello", not "bye"'):
        assert_enqueued(send, theirs, text="bye")
    refute_enqueued(send, theirs, text="bye")
    with pytest.raises(AssertionError, match=r'1 jobs instead of 0 match send\(text="hello"\)'):
        refute_enqueued(send, theirs, text="hello")


def test_only_the_own_transaction_sees_it(send: Task[..., None], theirs: Connection) -> None:
    send.using(connection=theirs).enqueue(ID, "hello")
    refute_enqueued(send)
    with pytest.raises(AssertionError, match="nothing is enqueued, as far as this connection sees"):
        assert_enqueued(send)


def test_an_argument_that_is_not_given_is_not_its_default(send: Task[..., None], theirs: Connection) -> None:
    send.using(connection=theirs).enqueue(ID, "hello")
    with pytest.raises(AssertionError, match="at was not given, not null"):
        assert_enqueued(send, theirs, at=None)


def test_a_count_is_exact(send: Task[..., None], theirs: Connection) -> None:
    send.using(connection=theirs).enqueue_many([(ID, "a"), (ID, "b")])
    assert len(assert_enqueued(send, theirs, count=2)) == 2
    assert_enqueued(send, theirs, count=1, text="a")
    assert_enqueued(send, theirs, count=0, text="c")
    for count in (0, 1, 3):
        with pytest.raises(AssertionError, match=f"2 jobs instead of {count} match"):
            assert_enqueued(send, theirs, count=count)


@pytest.mark.parametrize(
    ("wanted", "difference"),
    [
        ({"queue": "default"}, 'queue is "mail", not "default"'),
        ({"priority": "low"}, "priority is 50, not -50"),
        ({"priority": 0}, "priority is 50, not 0"),
        ({"meta": [1]}, r'meta is {"a": 1}, not \[1\]'),
        ({"state": "ready"}, 'state is "scheduled", not "ready"'),
        ({"run_after": 62}, r"run_after is (60\.000|59\.\d+) s, not 62 s"),
        ({"run_after": timedelta(seconds=60.1), "tolerance": 0.01}, r"run_after is (60\.000|59\.\d+) s, not 60\.1 s"),
    ],
)
def test_each_option_counts(send: Task[..., None], theirs: Connection, wanted: dict[str, Any], difference: str) -> None:
    send.using(connection=theirs, queue="mail", priority="high", meta={"a": 1}, run_after=60).enqueue(ID, "hello")
    assert_enqueued(send, theirs, queue="mail", priority=50, meta={"a": 1}, state="scheduled", run_after=timedelta(minutes=1))
    with pytest.raises(AssertionError, match=difference):
        assert_enqueued(send, theirs, **wanted)
    refute_enqueued(send, theirs, **wanted)


def test_a_time_is_compared_with_a_tolerance(send: Task[..., None], theirs: Connection) -> None:
    due = datetime(2040, 1, 1, tzinfo=UTC)
    send.using(connection=theirs, run_at=due).enqueue(ID, "hello")
    assert_enqueued(send, theirs, run_at=due + timedelta(seconds=0.9))
    with pytest.raises(AssertionError, match=r"run_at is 2040-01-01T00:00:00.*, not 2040-01-01T00:00:02"):
        assert_enqueued(send, theirs, run_at=due + timedelta(seconds=2))
    assert_enqueued(send, theirs, run_at=due + timedelta(seconds=2), tolerance=timedelta(seconds=3))


def test_a_failure_lists_what_is_enqueued_and_the_nearest(app: PgQueue, send: Task[..., None], theirs: Connection) -> None:
    @app.task
    def other() -> None: ...

    other.using(connection=theirs).enqueue()
    send.using(connection=theirs).enqueue(ID, "far", at=datetime(2030, 1, 1, tzinfo=UTC))
    near = send.using(connection=theirs, meta=1).enqueue(ID, "near")
    with pytest.raises(AssertionError) as failed:
        assert_enqueued(send, theirs, text="nearer", meta=1)
    assert str(failed.value).splitlines() == [
        '0 jobs instead of at least one match send(text="nearer") with meta=1',
        f'nearest: job {near.id}: text is "near", not "nearer"',
        "enqueued:",
        f'  job 2 ready: send(at="2030-01-01T00:00:00Z", to="{ID}", text="far") queue=default priority=0',
        f'  job 3 ready: send(to="{ID}", text="near") queue=default priority=0 meta=1',
        "  job 1 ready: other() queue=default priority=0",
    ]


def test_jobs_that_are_over_count_too(app: PgQueue, send: Task[..., None], theirs: Connection) -> None:
    send.using(connection=theirs).enqueue(ID, "hello")
    drain(app, theirs)
    assert_enqueued(send, theirs, state="succeeded")
    refute_enqueued(send, theirs, state="ready")


def test_an_argument_that_the_task_does_not_have_is_named(send: Task[..., None], theirs: Connection) -> None:
    with pytest.raises(InvalidArgument, match="task 'send' has no argument 'txt'; it takes 'at', 'text', 'to'"):
        refute_enqueued(send, theirs, txt="hello")
    with pytest.raises(InvalidArgument):
        assert_enqueued(send, theirs, to="not an id")


async def test_the_async_forms_do_the_same(app: PgQueue, send: Task[..., None]) -> None:
    await send.aenqueue(ID, "hello")
    await aassert_enqueued(send, text="hello", count=1)
    await arefute_enqueued(send, text="bye")
    with pytest.raises(AssertionError):
        await aassert_enqueued(send, text="bye")
    with pytest.raises(AssertionError):
        await arefute_enqueued(send, text="hello")
    await app.aclose()
