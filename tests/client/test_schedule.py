"""Schedules as code declares them: what they mean as JSON, and what is refused."""

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from math import inf, nan
from typing import Any

import pytest

from pgqueue import InvalidArgument, Limit, PgQueue, Schedule, Signature, Task, chain, group
from pgqueue.errors import ConfigurationError

START = datetime(2030, 1, 1, tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


@pytest.fixture
def app() -> PgQueue:
    """An app that needs no database."""
    return PgQueue("postgresql://nobody@localhost:1/nothing")


@pytest.fixture
def report(app: PgQueue) -> Task[..., None]:
    """A task whose argument has a default."""

    @app.task
    def report(region: str = "eu", day: datetime | None = None) -> None: ...

    return report


@pytest.fixture
def send(app: PgQueue) -> Task[..., None]:
    """A task with a required argument."""

    @app.task
    def send(to: int) -> None: ...

    return send


def _definition(schedule: Schedule) -> Any:
    return json.loads(schedule.definition())


def test_what_is_the_default_is_left_out(report: Task[..., None]) -> None:
    assert _definition(Schedule("nightly", report, cron="0 2 * * *")) == {"cron": ["0 2 * * *"], "job": {"task": "report"}}
    said = Schedule(
        "nightly", report.s(), cron=["0 2 * * *"], timezone="UTC", misfire="coalesce", most=10, spacing=timedelta(seconds=1),
        window=86400, overlap="allow", jitter=0,
    )  # fmt: skip
    assert said.definition() == Schedule("other", report, cron="0 2  * * *").definition()


def test_everything_else_is_in_it(report: Task[..., None]) -> None:
    times: dict[str, Any] = {"timeout": 60, "soft_timeout": "50%", "expires": timedelta(hours=1), "total_timeout": 600}
    schedule = Schedule(
        "nightly",
        report.using(queue="slow", priority="high", retry=5, meta={"by": "us"}, unique="until_done", **times).s("us", day=START),
        cron=["0 2 * * *", "30 14 * * 1-5"],
        timezone="Europe/Berlin",
        misfire="catch_up",
        most=5,
        spacing=2.5,
        window=timedelta(hours=2),
        overlap="buffer_one",
        jitter=30,
        starts_at=START,
        ends_at=datetime(2031, 1, 1, tzinfo=timezone(timedelta(hours=2))),
    )
    job = {
        "task": "report", "args": {"region": "us", "day": "2030-01-01T00:00:00Z"}, "queue": "slow", "priority": 50, "retries": 5,
        "meta": {"by": "us"}, "unique_mode": "until_done", "timeout": "60.000000 seconds", "soft_timeout": "30.000000 seconds",
        "expires_after": "3600.000000 seconds", "total_timeout": "600.000000 seconds",
    }  # fmt: skip
    assert _definition(schedule) == {
        "cron": ["0 2 * * *", "30 14 * * 1-5"],
        "timezone": "Europe/Berlin",
        "misfire": "catch_up",
        "most": 5,
        "spacing": 2.5,
        "window": 7200,
        "overlap": "buffer_one",
        "jitter": 30,
        "starts_at": "2030-01-01T00:00:00+00:00",
        "ends_at": "2030-12-31T22:00:00+00:00",
        "job": job,
    }


@pytest.mark.parametrize(
    ("cron", "seconds"),
    [("@every 90s", 90), (["@every 90s"], 90), ("@EVERY 1h30m", 5400), (" @every  5s ", 5), ("@every 1d", 86400)],
)
def test_an_interval_may_be_written_as_an_expression(report: Task[..., None], cron: Any, seconds: float) -> None:
    schedule = Schedule("often", report, cron=cron)
    assert (schedule.cron, schedule.every) == (None, seconds)
    for every in (seconds, timedelta(seconds=seconds)):
        assert Schedule("often", report, every=every).definition() == schedule.definition()


def test_limits_cost_and_defaults_of_arguments_are_those_of_an_enqueue(app: PgQueue) -> None:
    @app.task(limits=[Limit("openai", "1/s"), "tenant:{tenant}"], cost=lambda n: 2 * n, fair="t:{tenant}")
    def ask(n: int, tenant: str = "us") -> None: ...

    job = _definition(Schedule("ask", ask.s(3), every=60))["job"]
    assert (job["limits"], job["fair"], job["cost"]) == (["openai", "tenant:{tenant}"], "t:{tenant}", 6)
    assert job["args"] == {"n": 3, "tenant": "us"}


def test_a_result_is_kept_for_as_long_as_the_app_says() -> None:
    app = PgQueue("postgresql://nobody@localhost:1/nothing", result_ttl=60)
    task = app.task(name="task")(lambda: None)
    assert _definition(Schedule("task", task, every=60))["job"] == {"task": "task", "result_ttl": "60.000000 seconds"}


def test_it_cannot_be_changed(report: Task[..., None]) -> None:
    schedule = Schedule("nightly", report, every=60)
    with pytest.raises(FrozenInstanceError):
        schedule.every = 5  # type: ignore[misc]
    assert isinstance(schedule.call, Signature)


# What is refused.


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 101, "é", 5, None, "nul\x00"])
def test_a_name_is_of_few_letters(report: Task[..., None], name: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^name: .* is not valid; use 1 to 100 letters, digits and . _ : -"):
        Schedule(name, report, every=60)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"cron: a schedule needs one, such as cron='0 2 \* \* \*', or every=90"),
        ({"cron": "0 2 * * *", "every": 60}, "every: 60 is not valid; give either cron or every"),
        *(({"cron": value}, "cron: .* is not valid; use an expression") for value in (5, [], [5], [None], ["0 2 * * *"] * 21)),
        *(({"cron": value}, "cron: ") for value in ("", "0 25 * * *", "0 2 * *", "nul\x00", "x" * 300)),
        ({"cron": ["@every 5s", "0 2 * * *"]}, "cron: '@every 5s' is not valid; an interval cannot stand beside"),
        *(({"cron": value}, "cron: .*; after @every comes an interval") for value in ("@every", "@every 5", "@every 5w")),
        ({"cron": "@every 0s"}, "cron: '@every 0s' is not valid; use an interval of 1 second"),
        *(({"every": value}, "every: .* is not valid; use ") for value in (0, 0.99, -5, nan, inf, True, "60", 1e9, timedelta(0))),
        *(({"every": 60, "timezone": value}, "timezone: ") for value in ("Mars", "", 5, "../etc/passwd", "nul\x00")),
        *(
            ({"every": 60, field: value}, f"{field}: .* is not valid; use {remedy}")
            for field, remedy in (("misfire", "coalesce, catch_up or skip"), ("overlap", "allow, skip or buffer_one"))
            for value in ("no", 5, True)
        ),
        *(({"every": 60, "most": value}, "most: .* is not valid; use 1 to 1000") for value in (0, 1001, 1.5, True, "5")),
        *(
            ({"every": 60, field: value}, f"{field}: .* is not valid; use ")
            for field, most in (("spacing", 86400), ("window", 366 * 86400), ("jitter", 86400))
            for value in (-1, nan, True, "5", timedelta(seconds=-1), most + 1)
        ),
        *(
            ({"every": 60, field: value}, f"{field}: ")
            for field in ("starts_at", "ends_at")
            for value in (5, "2030-01-01", datetime(1969, 1, 1, tzinfo=UTC), datetime(9901, 1, 1, tzinfo=UTC), LATEST)
        ),
        ({"every": 60, "starts_at": START, "ends_at": START}, "ends_at: .*; use a time after starts_at"),
    ],
)  # fmt: skip
def test_a_field_that_is_invalid_is_named_when_the_schedule_is_made(
    report: Task[..., None], given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=f"^{message}"):
        Schedule("nightly", report, **given)


def test_a_call_must_be_complete_and_of_one_task(report: Task[..., None], send: Task[..., None]) -> None:
    with pytest.raises(InvalidArgument, match=r"^call: task 'send' needs 'to'; give a call with its arguments"):
        Schedule("x", send, every=60)
    with pytest.raises(InvalidArgument, match=r"^args: task 'send' misses 'to'"):
        Schedule("x", send.s(), every=60)
    with pytest.raises(InvalidArgument, match=r"^args: task 'send' cannot take to = 'ann'"):
        Schedule("x", send.s("ann"), every=60)
    calls: list[Any] = [chain(report.s(), send.s()), group(report.s()), "report", None, report.function]
    for call in calls:
        with pytest.raises(InvalidArgument, match=r"^call: .* is not valid; use a task, or a call of it"):
            Schedule("x", call, every=60)


@pytest.mark.parametrize(
    "option",
    [{"run_at": START}, {"run_after": 5}, {"depends_on": 5}, {"run_if": "finished"}, {"connection": object()}, {"notify": False}],
    ids=lambda option: next(iter(option)),
)
def test_an_option_that_belongs_to_one_enqueue_is_refused(report: Task[..., None], option: dict[str, Any]) -> None:
    for call in (report.using(**option), report.using(**option).s()):
        with pytest.raises(InvalidArgument, match=rf"^{next(iter(option))}: it belongs to a single enqueue"):
            Schedule("x", call, every=60)


def test_a_job_expires_an_interval_after_its_tick_and_not_at_one_time(report: Task[..., None]) -> None:
    with pytest.raises(InvalidArgument, match=r"^expires: '2030-01-01T00:00:00\+00:00' is not valid; a time suits a single job"):
        Schedule("x", report.using(expires=START), every=60)


# Declaring.


def test_a_task_with_cron_declares_a_schedule_of_its_name(app: PgQueue) -> None:
    task = app.task(cron=["0 2 * * *", "0 14 * * *"], timezone="Europe/Berlin", queue="slow", name="reports.nightly")(
        lambda: None
    )
    app.task(cron="@every 90s", name="often")(lambda: None)
    assert app.schedules.declared["reports.nightly"] == Schedule(
        "reports.nightly", task, cron=("0 2 * * *", "0 14 * * *"), timezone="Europe/Berlin"
    )
    assert app.schedules.declared["often"].every == 90


def test_the_same_declaration_twice_is_one_and_another_is_refused(app: PgQueue, report: Task[..., None]) -> None:
    first = Schedule("nightly", report, cron="@every 60s")
    app.schedules.declare(first)
    app.schedules.declare(Schedule("nightly", report.s(), every=60))
    assert app.schedules.declared == {"nightly": first}
    with pytest.raises(ConfigurationError, match=r"^schedule 'nightly': it is declared as .*60.* and as .*61.*; declare it once"):
        app.schedules.declare(Schedule("nightly", report, every=61))
    with pytest.raises(InvalidArgument, match=r"^schedule: 'nightly' is not valid; use a Schedule"):
        app.schedules.declare("nightly")  # type: ignore[arg-type]


def test_nothing_is_declared_once_a_worker_has_started_but_what_is_there_already(app: PgQueue, report: Task[..., None]) -> None:
    schedule = Schedule("nightly", report, every=60)
    app.schedules.declare(schedule)
    app.freeze()
    app.schedules.declare(schedule)
    with pytest.raises(ConfigurationError, match=r"^schedule 'late': a worker of this app has started"):
        app.schedules.declare(Schedule("late", report, every=60))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cron": "0 25 * * *"}, "cron: "),
        ({"cron": "0 2 * * *", "timezone": "Mars"}, "timezone: "),
        ({"timezone": "UTC"}, "timezone: 'UTC' is not valid; it belongs to a schedule; give cron= too"),
        ({"cron": "0 2 * * *", "name": "a b"}, "name: 'a b' is not valid"),
    ],
)
def test_a_task_with_a_schedule_that_is_refused_is_not_registered(app: PgQueue, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{message}"):
        app.task(**{"name": "task", "rate_limit": "1/s", **options})(lambda: None)
    assert (app.tasks, app.schedules.declared, app.limits.declared) == ({}, {}, {})


def test_a_task_with_a_schedule_needs_no_arguments(app: PgQueue) -> None:
    with pytest.raises(InvalidArgument, match=r"^call: task 'send' needs 'to'"):

        @app.task(cron="0 2 * * *")
        def send(to: str) -> None: ...


def test_an_app_without_schedules_does_not_load_croniter() -> None:
    """It takes longer than the rest of schedules together."""
    look = "import sys, pgqueue; print('croniter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout == "False\n"
