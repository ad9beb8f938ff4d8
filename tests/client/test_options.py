"""using(): the options of one call, as they reach the database."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from math import inf, nan
from typing import Any

import pytest

from pgqueue import PgQueue, Retry, Task, Unique
from pgqueue.errors import InvalidArgument
from tests.looking import Look

IN_AN_HOUR = timedelta(hours=1)


class Text(str):
    """As templates mark what is safe."""


def test_without_options_a_job_is_ready_in_the_default_queue(welcome: Task[[int], str], look: Look) -> None:
    row = look.job(welcome.enqueue(1).id)
    assert (row["state"], row["queue"], row["priority"], row["max_attempts"]) == ("ready", "default", 0, 4)
    assert row["args"] == {"user_id": 1}
    assert row["meta"] is None


@pytest.mark.parametrize(
    ("given", "column", "stored"),
    [
        ({"queue": "mail"}, "queue", "mail"),
        ({"priority": "high"}, "priority", 50),
        ({"priority": "low"}, "priority", -50),
        ({"priority": -100}, "priority", -100),
        ({"retry": 0}, "max_attempts", 1),
        ({"retry": Retry(9, backoff="fixed")}, "max_attempts", 10),
        ({"meta": {"tenant": 7}}, "meta", {"tenant": 7}),
        ({"meta": [1, None]}, "meta", [1, None]),
        ({"run_after": IN_AN_HOUR}, "state", "scheduled"),
        ({"run_after": 3600}, "state", "scheduled"),
        ({"run_at": datetime(2999, 1, 1, tzinfo=UTC)}, "run_at", datetime(2999, 1, 1, tzinfo=UTC)),
        ({"run_at": datetime(1999, 1, 1, tzinfo=UTC)}, "state", "ready"),
        ({"run_after": -1e-6}, "state", "ready"),
    ],
)
def test_an_option_reaches_the_job(
    welcome: Task[[int], str], look: Look, given: dict[str, Any], column: str, stored: Any
) -> None:
    single = welcome.using(**given).enqueue(1)
    (of_many,) = welcome.using(**given).enqueue_many([(1,)])
    assert look.job(single.id)[column] == stored
    assert look.job(of_many.id)[column] == stored


def test_options_add_up_and_leave_the_task_as_it_was(welcome: Task[[int], str], look: Look) -> None:
    urgent = welcome.using(queue="mail").using(priority="high")
    row = look.job(urgent.enqueue(1).id)
    assert (row["queue"], row["priority"]) == ("mail", 50)
    assert look.job(welcome.enqueue(1).id)["queue"] == "default"


def test_a_policy_is_stored_with_the_job(welcome: Task[[int], str], look: Look) -> None:
    policy = Retry(2, backoff="linear", delay=5, step=2, jitter=False, only=[ConnectionError])
    job = welcome.using(retry=policy).enqueue(1)
    stored = look.value("select retry from job where id = %s", job.id)
    assert stored == {"backoff": "linear", "delay": 5, "step": 2, "jitter": False, "only": ["ConnectionError"]}


def test_a_result_s_time_to_live_is_stored_with_the_job(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.using(result_ttl=90).enqueue(1)
    assert look.value("select result_ttl from job where id = %s", job.id) == timedelta(seconds=90)


@pytest.mark.parametrize("ttl", [1e-5, timedelta(microseconds=10)])
def test_a_duration_of_microseconds_is_stored(welcome: Task[[int], str], look: Look, ttl: float | timedelta) -> None:
    job = welcome.using(result_ttl=ttl).enqueue(1)
    assert look.value("select result_ttl from job where id = %s", job.id) == timedelta(microseconds=10)


@pytest.mark.parametrize("ahead", [timedelta(hours=15, minutes=59), -timedelta(hours=15, minutes=59)])
def test_a_time_may_have_any_zone_that_postgresql_knows(welcome: Task[[int], str], look: Look, ahead: timedelta) -> None:
    run_at = datetime(2999, 1, 1, tzinfo=timezone(ahead))
    assert look.job(welcome.using(run_at=run_at).enqueue(1).id)["run_at"] == run_at


def test_text_of_a_subclass_is_text(welcome: Task[[int], str], look: Look) -> None:
    given: dict[str, Any] = {"queue": Text("mail"), "unique": Unique(key=Text("key")), "fair": Text("tenant:7")}
    assert look.job(welcome.using(**given).enqueue(1).id)["queue"] == "mail"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"run_at": datetime(2999, 1, 1, tzinfo=timezone(timedelta(hours=16)))}, r"run_at: .* is not valid; .*astimezone\(UTC\)"),
        ({"unique": "x" * 10**6}, r"unique: 'x{1,30}\.\.\.x{1,30}' is not valid; use until_done"),
        ({"priority": "urgent"}, "priority: 'urgent' is not valid; use low, medium, high or a whole number from -100 to 100"),
        ({"run_at": datetime(2999, 1, 1)}, "run_at: 2999-01-01T00:00:00 has no time zone"),
    ],
)
def test_an_option_that_is_wrong_by_itself_is_refused_at_once(welcome: Task[[int], str], given: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        welcome.using(**given)


NO_NUMBERS = ["x", nan, inf, -inf, 1e300, 10**30, True, [1]]


@pytest.mark.parametrize(
    ("field", "value", "remedy"),
    [
        *(("queue", value, "use a text of letters") for value in (5, True, b"mail", ["mail"])),
        *(("priority", value, "use low, medium, high or a whole") for value in (1.5, True, 10**10, -(10**10), [1], nan)),
        *(("run_at", value, "use a datetime with a time zone") for value in ("2020-01-01", date(2020, 1, 1), 5, True)),
        *(("run_after", value, "use a timedelta or a number of seconds") for value in NO_NUMBERS),
        *(("result_ttl", value, "use a timedelta or a number of seconds") for value in NO_NUMBERS),
        *(("retry", value, "use a number of retries or a Retry") for value in ("x", True, 1.5, [1], Retry, Retry(delay=nan))),
        *(("retry", value, "use a number of retries or a Retry") for value in (Retry(1.5), Retry(only=[5]), Retry(backoff=5))),  # type: ignore
        *(("unique", value, "use until_done, until_started") for value in (5, True, 1.5, ["until_done"], Unique)),
    ],
)
def test_an_option_that_no_statement_can_carry_is_refused_at_once(
    app: PgQueue, welcome: Task[[int], str], field: str, value: Any, remedy: str
) -> None:
    message = rf"^{field}: .+ is not valid; {remedy}"
    with pytest.raises(InvalidArgument, match=message):
        welcome.using(**{field: value})
    if not field.startswith("run_"):
        with pytest.raises(InvalidArgument, match=message):
            app.task(**{field: value})


def test_a_refusal_shows_the_value(welcome: Task[[int], str]) -> None:
    with pytest.raises(InvalidArgument, match=r"^priority: 10000000000 is not valid"):
        welcome.using(priority=10**10)
    with pytest.raises(InvalidArgument, match=r"^run_at: '2020-01-01' is not valid"):
        welcome.using(run_at="2020-01-01")  # type: ignore[arg-type]


def test_a_change_of_a_job_is_checked_alike(welcome: Task[[int], str], look: Look) -> None:
    job = welcome.enqueue(1)
    for given in ({"priority": 10**10}, {"priority": 1.5}, {"run_after": nan}, {"run_at": "2020-01-01"}):
        with pytest.raises(InvalidArgument, match="is not valid; use "):
            job.update(**given)
    assert look.job(job.id)["priority"] == 0


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"priority": 101}, "priority"),
        ({"queue": "no spaces"}, "queue"),
        ({"queue": "x" * 101}, "queue"),
        ({"run_at": datetime(2999, 1, 1, tzinfo=UTC), "run_after": 5}, "run_after"),
        ({"retry": Retry(backoff="fixed", delay=-1)}, "retry.delay"),
        ({"retry": Retry(backoff=[])}, "retry.delays"),
        ({"retry": Retry(backoff="sometimes")}, "retry.backoff"),  # type: ignore[arg-type]
        ({"result_ttl": -1}, "result_ttl"),
    ],
)
def test_the_database_refuses_what_is_out_of_range_and_names_it(
    app: PgQueue, welcome: Task[[int], str], look: Look, given: dict[str, Any], field: str
) -> None:
    calls: list[Callable[[Task[[int], str]], Any]] = [lambda task: task.enqueue(1), lambda task: task.enqueue_many([(1,), (2,)])]
    for enqueue in calls:
        with pytest.raises(InvalidArgument, match=f"^{field}: .* is not valid; "):
            enqueue(welcome.using(**given))
    assert look.live() == 0


def test_a_task_name_that_is_too_long_is_refused_when_it_is_enqueued(app: PgQueue) -> None:
    task = app.task(name="x" * 201)(lambda: None)
    with pytest.raises(InvalidArgument, match=r"^task: "):
        task.enqueue()
