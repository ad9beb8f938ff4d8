"""app.schedules: schedules changed and looked at while everything runs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pgqueue import InvalidArgument, Job, PgQueue, RateLimited, Schedule, ScheduleNotFound, Task, at
from pgqueue._json import Unreadable
from pgqueue.database.calls import schedules as calls
from pgqueue.schedules import ranges
from pgqueue.testing import assert_enqueued
from tests.looking import Look

Report = Task[..., None]
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
FIRST, LAST = (time.replace(tzinfo=UTC) for time in (datetime.min, datetime.max))
EAST = timezone(timedelta(hours=14))
DAY = timedelta(days=1)


@pytest.fixture
def report(app: PgQueue) -> Report:
    """A task that a schedule can call."""

    @app.task(queue="slow")
    def report(region: str = "eu") -> None: ...

    return report


@pytest.fixture
def declare(app: PgQueue) -> Callable[[Schedule], list[str]]:
    """What a worker does with a declaration when it starts."""
    return lambda schedule: app.database.run(calls.declare_schedule(schedule.name, schedule.definition())) or []


def test_set_makes_a_schedule_and_changes_only_what_it_is_given(app: PgQueue, report: Report) -> None:
    schedules = app.schedules
    assert schedules.set("nightly", report.s("us"), cron="0 2 * * *", timezone="Europe/Berlin") == "added"
    job = {"task": "report", "args": {"region": "us"}, "queue": "slow"}
    assert schedules.get("nightly").definition == {"cron": ["0 2 * * *"], "timezone": "Europe/Berlin", "job": job}
    for change, expected in (
        ({"timezone": "Asia/Tokyo"}, {"timezone": "Asia/Tokyo"}),
        ({"cron": ["0 3 * * *", "0 4 * * *"]}, {"cron": ["0 3 * * *", "0 4 * * *"]}),
        ({"misfire": "catch_up", "most": 3, "spacing": 5, "window": timedelta(hours=1)}, {"misfire": "catch_up", "most": 3}),
        ({"overlap": "skip", "jitter": timedelta(seconds=30)}, {"overlap": "skip", "jitter": 30}),
        ({"starts_at": JANUARY, "ends_at": JANUARY + DAY}, {"ends_at": "2026-01-02T00:00:00.000000+00:00"}),
        ({"every": timedelta(minutes=5)}, {"every": 300, "starts_at": "2026-01-01T00:00:00.000000+00:00"}),
        ({"reset": ["jitter", "starts_at", "most"]}, {"every": 300, "overlap": "skip"}),
    ):
        assert schedules.set("nightly", **change) == "changed"
        assert schedules.set("nightly", **change) == "unchanged"
        assert schedules.get("nightly").definition.items() >= expected.items()
    now = schedules.get("nightly").definition
    assert now.keys().isdisjoint({"cron", "jitter", "starts_at", "most"})
    assert now["job"] == job


def test_another_call_leaves_no_option_of_the_one_before(app: PgQueue, report: Report) -> None:
    before = report.using(priority=5, retry=7, meta=1, unique="until_done", fair="a", result_ttl=60, limits=["a"], cost=3)
    before = before.using(timeout=5, expires=60, total_timeout=600)
    app.limits.set("a", rate="3/s")
    app.schedules.set("nightly", before.s("us"), every=60)
    assert len(app.schedules.get("nightly").definition["job"]) > 8
    assert app.schedules.set("nightly", report) == "changed"
    assert app.schedules.get("nightly").definition == {"every": 60, "job": {"task": "report", "queue": "slow"}}


def test_jobs_are_made_by_the_options_of_the_call(app: PgQueue, report: Report, look: Look) -> None:
    app.schedules.set("nightly", report.using(priority="high", retry=7, meta={"by": "us"}).s("us"), every=60)
    job = app.schedules.trigger("nightly")
    row = look.job(job.id)
    assert (row["task"], row["args"], row["queue"], row["priority"], row["max_attempts"], row["meta"]) == (
        "report", {"region": "us"}, "slow", 50, 8, {"by": "us"},
    )  # fmt: skip


def test_get_and_list_show_what_there_is(app: PgQueue, report: Report, declare: Callable[[Schedule], list[str]]) -> None:
    assert app.schedules.list() == []
    declare(Schedule("nightly", report, cron="0 2 * * *", overlap="skip"))
    app.schedules.set("often", report, every=90)
    nightly, often = app.schedules.list()
    assert (nightly, often) == (app.schedules.get("nightly"), app.schedules.get("often"))
    assert (nightly.name, nightly.task, nightly.cron, nightly.every) == ("nightly", "report", ["0 2 * * *"], None)
    assert (nightly.overlap, nightly.misfire, nightly.declared_by, often.declared_by) == ("skip", "coalesce", "code", "people")
    assert (often.every, often.timezone, often.enabled, often.last_tick, often.misfires) == (90, "UTC", True, None, 0)


def test_a_pause_is_seen_and_ends(app: PgQueue, report: Report) -> None:
    app.schedules.set("nightly", report, every=60)
    assert [app.schedules.pause("nightly"), app.schedules.pause("nightly")] == [True, False]
    paused = app.schedules.get("nightly")
    assert not paused.enabled
    assert paused.paused_at is not None
    assert [app.schedules.resume("nightly"), app.schedules.resume("nightly")] == [True, False]
    assert app.schedules.get("nightly").enabled


def test_trigger_makes_a_job_now_also_of_a_paused_schedule(app: PgQueue, report: Report, look: Look) -> None:
    app.schedules.set("nightly", report, cron="0 2 1 1 *")
    app.schedules.pause("nightly")
    before = app.schedules.get("nightly")
    job = app.schedules.trigger("nightly")
    assert isinstance(job, Job)
    assert job.status == "ready"
    assert look.value("select terms->>'schedule' from job") == "nightly"
    after = app.schedules.get("nightly")
    assert (after.last_job_id, after.last_outcome, after.last_reason) == (job.id, "fired", "triggered")
    assert (after.next_tick, after.paused_at) == (before.next_tick, before.paused_at)


def test_delete_removes_it_and_keeps_its_jobs(app: PgQueue, report: Report) -> None:
    app.schedules.set("nightly", report, every=60)
    job = app.schedules.trigger("nightly")
    app.schedules.delete("nightly")
    assert app.schedules.list() == []
    assert job.refresh().status == "ready"


async def test_async_code_does_all_of_it_by_an_a_in_front(async_app: PgQueue, report: Report) -> None:
    schedules = async_app.schedules
    assert await schedules.aset("nightly", report, cron="0 2 * * *") == "added"
    assert (await schedules.aget("nightly")).cron == ["0 2 * * *"]
    assert [one.name for one in await schedules.alist()] == ["nightly"]
    assert [await schedules.apause("nightly"), await schedules.aresume("nightly")] == [True, True]
    job = await schedules.atrigger("nightly")
    assert (await job.arefresh()).status == "ready"
    after = JANUARY + timedelta(hours=3)
    assert await schedules.apreview("nightly", count=1, after=after) == [JANUARY + timedelta(days=1, hours=2)]
    assert await schedules.apreview("0 2 * * *", count=1, after=after) == [JANUARY + timedelta(days=1, hours=2)]
    assert await schedules.abackfill("nightly", JANUARY, JANUARY + 3 * DAY, dry_run=True) == 3
    assert await schedules.abackfill("nightly", JANUARY, JANUARY + 3 * DAY, priority="low") == 3
    with pytest.raises(ScheduleNotFound, match="there are: nightly"):
        await schedules.aget("daily")
    await schedules.adelete("nightly")
    with pytest.raises(ScheduleNotFound, match="there are: none"):
        await schedules.apause("nightly")


# Declarations and changes.


def test_a_declaration_that_changes_takes_over_its_field_and_keeps_what_people_have_set(
    app: PgQueue, report: Report, declare: Callable[[Schedule], list[str]]
) -> None:
    assert "cron" in declare(Schedule("nightly", report, cron="0 2 * * *"))
    app.schedules.set("nightly", timezone="Asia/Tokyo", jitter=30)
    app.schedules.pause("nightly")
    assert declare(Schedule("nightly", report, cron="0 2 * * *")) == []
    assert declare(Schedule("nightly", report, cron="0 3 * * *")) == ["cron"]
    status = app.schedules.get("nightly")
    assert (status.cron, status.timezone, status.definition["jitter"], status.enabled) == (["0 3 * * *"], "Asia/Tokyo", 30, False)


# Preview.


def test_a_preview_is_in_the_zone_of_the_schedule(app: PgQueue, report: Report) -> None:
    app.schedules.set("nightly", report, cron="30 2 * * *", timezone="Europe/Berlin")
    before = datetime(2027, 3, 27, 12, tzinfo=UTC)
    for what, zone in (
        ("nightly", None),
        ("30 2 * * *", "Europe/Berlin"),
        (Schedule("other", report, cron="30 2 * * *", timezone="Europe/Berlin"), None),
    ):
        ticks = app.schedules.preview(what, timezone=zone, count=2, after=before)
        assert [tick.isoformat() for tick in ticks] == ["2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00"]
        assert ticks[0].tzinfo == ZoneInfo("Europe/Berlin")


def test_a_preview_of_an_expression_needs_no_database() -> None:
    schedules = PgQueue("postgresql://nobody@localhost:1/nothing").schedules
    start = datetime.now(UTC)
    ticks = schedules.preview("@every 90s")
    assert start < ticks[0] <= datetime.now(UTC) + timedelta(seconds=90)
    assert [b - a for a, b in pairwise(ticks)] == [timedelta(seconds=90)] * 4
    assert len(schedules.preview("@hourly", count=1000)) == 1000


def test_a_preview_ends_with_the_schedule(app: PgQueue, report: Report) -> None:
    ending = Schedule("x", report, every=86400, starts_at=JANUARY, ends_at=JANUARY + 2 * DAY)
    assert app.schedules.preview(ending, count=9, after=JANUARY - DAY) == [JANUARY, JANUARY + DAY, JANUARY + 2 * DAY]
    assert app.schedules.preview(ending) == []


def test_h_stands_for_the_same_number_in_previews_and_in_workers(app: PgQueue, report: Report) -> None:
    one, other = (Schedule(name, report, cron="H H * * *") for name in ("one", "other"))
    app.schedules.set("one", report, cron="H H * * *")
    assert app.schedules.preview(one) == app.schedules.preview("one") != app.schedules.preview(other)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"what": 5}, "what: 5 is not valid; use the name of a schedule, a Schedule, or an expression"),
        ({"what": "0 25 * * *"}, "cron: '0 25 \\* \\* \\*' is not valid"),
        ({"what": "@hourly", "timezone": "Mars"}, "timezone: 'Mars'"),
        ({"what": "nightly", "timezone": "UTC"}, "timezone: 'UTC' is not valid; schedule 'nightly' has a time zone"),
        *(({"what": "@hourly", "count": value}, "count: .* is not valid; use 1 to 1000") for value in (0, 1001, True, "5")),
        ({"what": "@hourly", "after": "now"}, "after: 'now' is not valid"),
        ({"what": "@hourly", "after": FIRST, "timezone": "America/New_York"}, "after: .* between the years 1900 and 9900"),
        ({"what": "@hourly", "after": LAST, "timezone": "Asia/Tokyo"}, "after: .* between the years 1900 and 9900"),
    ],
)
def test_a_preview_of_nothing_is_refused(app: PgQueue, report: Report, given: dict[str, Any], message: str) -> None:
    app.schedules.set("nightly", report, every=60)
    with pytest.raises(InvalidArgument, match=f"^{message}"):
        app.schedules.preview(**given)


# Backfill.


def test_a_backfill_counts_first_and_makes_each_job_once(app: PgQueue, report: Report, look: Look) -> None:
    app.schedules.set("nightly", report.using(priority=7), cron="0 2 * * *", timezone="Europe/Berlin")
    until = JANUARY + timedelta(days=9, hours=1)  # the tick at this time is not part of it
    assert app.schedules.backfill("nightly", JANUARY + timedelta(hours=1), until, dry_run=True) == 9
    assert look.live() == 0
    assert app.schedules.backfill("nightly", JANUARY + timedelta(hours=1), JANUARY + 5 * DAY) == 5
    assert app.schedules.backfill("nightly", JANUARY, until, dry_run=True) == 4
    assert app.schedules.backfill("nightly", JANUARY, until, priority="low") == 4
    assert app.schedules.backfill("nightly", JANUARY, until) == 0
    jobs = look.rows("select priority, terms->>'scheduled_for' as tick from job order by 2")
    assert [job["priority"] for job in jobs] == [7] * 5 + [-50] * 4
    assert [job["tick"] for job in jobs] == [f"2026-01-0{day}T01:00:00.000000+00:00" for day in range(1, 10)]


def test_a_backfill_of_many_ticks_takes_several_calls(
    app: PgQueue, report: Report, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "IN_ONE_CALL", 4)
    app.schedules.set("nightly", report, every=3600)
    assert app.schedules.backfill("nightly", JANUARY, JANUARY + timedelta(hours=10), dry_run=True) == 10
    assert app.schedules.backfill("nightly", JANUARY, JANUARY + timedelta(hours=10)) == 10
    assert look.live() == 10


def test_a_backfill_of_too_many_ticks_is_refused_with_the_part_that_is_not(app: PgQueue, report: Report, look: Look) -> None:
    app.schedules.set("often", report, every=1)
    end = JANUARY + timedelta(seconds=100_000)
    with pytest.raises(InvalidArgument, match=r"^until: .* more than 100,000 ticks; .*, the first one until 2026-01-02T03:46:40"):
        app.schedules.backfill("often", JANUARY, end + timedelta(seconds=1))
    assert app.schedules.backfill("often", JANUARY, end, dry_run=True) == 100_000
    assert look.live() == 0


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        (JANUARY, JANUARY, "until: '2026-01-01T00:00:00\\+00:00' is not valid; use a time after since"),
        (JANUARY, JANUARY - DAY, "until: .* use a time after since"),
        ("2026-01-01", JANUARY, "since: '2026-01-01' is not valid; use a datetime with a time zone"),
        (JANUARY, None, "until: None is not valid; use a datetime with a time zone"),
        *((early, JANUARY, "since: .* between the years 1900 and 9900") for early in (FIRST, FIRST.replace(tzinfo=EAST))),
        (JANUARY, datetime(2999, 1, 1, tzinfo=UTC), "until: .* is not valid; use a time that has passed"),
    ],
)
def test_a_range_that_is_none_is_refused(app: PgQueue, report: Report, since: Any, until: Any, message: str) -> None:
    app.schedules.set("nightly", report, every=60)
    with pytest.raises(InvalidArgument, match=f"^{message}"):
        app.schedules.backfill("nightly", since, until)


def test_a_priority_that_is_none_is_refused_before_anything_is_made(app: PgQueue, report: Report, look: Look) -> None:
    app.schedules.set("nightly", report, every=60)
    for priority in ("urgent", 101):
        with pytest.raises(InvalidArgument, match=r"^priority: "):
            app.schedules.backfill("nightly", JANUARY, JANUARY + DAY, priority=priority)  # type: ignore[arg-type]
    assert look.live() == 0


# What is refused.


def test_what_is_not_there_is_named_with_what_is(app: PgQueue, report: Report) -> None:
    app.schedules.set("nightly", report, every=60)
    app.schedules.set("often", report, every=60)
    verbs: list[Callable[[str], Any]] = [
        app.schedules.get,
        app.schedules.pause,
        app.schedules.resume,
        app.schedules.trigger,
        app.schedules.delete,
        app.schedules.preview,
        lambda name: app.schedules.backfill(name, JANUARY, JANUARY + DAY),
    ]
    for verb in verbs:
        with pytest.raises(ScheduleNotFound, match=r"^name: there is no schedule 'gone'; there are: nightly, often$"):
            verb("gone")
        if verb != app.schedules.preview:
            for name in ("a b", 5, None, "x" * 101):
                with pytest.raises(InvalidArgument, match=r"^name: .* is not valid; use 1 to 100 letters"):
                    verb(name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cron": "0 25 * * *"}, "cron: "),
        ({"cron": "0 2 * * *", "every": 60}, "every: 60 is not valid; give either cron or every"),
        ({"timezone": "Mars"}, "timezone: "),
        ({"jitter": -1}, "jitter: "),
        ({"most": 0}, "most: "),
        ({"nightly": True}, "nightly: a schedule has no such field; it has cron, every, timezone, misfire"),
        *(
            ({"reset": value}, "reset: .* is not valid; use timezone, misfire")
            for value in (["cron"], ["job"], "every", [5], 5, None)
        ),
        ({"call": 5}, "call: 5 is not valid; use a task"),
        ({"starts_at": JANUARY, "ends_at": JANUARY - DAY}, "ends_at: "),
        ({"ends_at": datetime(2000, 1, 1, tzinfo=UTC), "every": 60}, "ends_at: .*give a time after starts_at"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(app: PgQueue, report: Report, given: dict[str, Any], message: str) -> None:
    app.schedules.set("nightly", report, cron="0 2 * * *", starts_at=JANUARY)
    before = app.schedules.get("nightly")
    with pytest.raises(InvalidArgument, match=f"^{message}"):
        app.schedules.set("nightly", **given)
    assert app.schedules.get("nightly") == before


def test_a_new_schedule_needs_a_call_and_its_times(app: PgQueue, report: Report) -> None:
    with pytest.raises(InvalidArgument, match=r"^job: "):
        app.schedules.set("nightly", every=60)
    with pytest.raises(InvalidArgument, match=r"^cron: "):
        app.schedules.set("nightly", report)
    with pytest.raises(InvalidArgument, match=r"^limits: "):
        app.schedules.set("nightly", report.using(limits=["gone"]), every=60)
    assert app.schedules.list() == []


@pytest.mark.parametrize("args", ['{"to": ' + "[" * 3000 + "]" * 3000 + "}", '{"to": 1e5000}'], ids=["nesting", "digits"])
def test_arguments_that_python_cannot_read_hide_no_schedule(app: PgQueue, report: Report, look: Look, args: str) -> None:
    """SQL stores deeper nesting and longer numbers: the job is text then."""
    app.schedules.set("nightly", report, cron="0 2 * * *")
    job = '{"task": "report", "args": ' + args + "}"
    look.value("select set_schedule('odd', %s)", '{"every": 86400, "job": ' + job + "}")

    odd = app.schedules.get("odd")

    assert [one.name for one in app.schedules.list()] == ["nightly", "odd"]
    assert (odd.definition["every"], type(odd.definition["job"])) == (86400, Unreadable)
    assert len(app.schedules.preview("odd")) == 5
    assert app.schedules.backfill("odd", JANUARY, JANUARY + DAY) == 1


# Times without a zone, at every door.

NAIVE = datetime(2030, 1, 1)


def _doors(app: PgQueue, report: Report) -> dict[str, Callable[[], Any]]:
    """Everything that takes a time from people, with a time without a zone."""
    job = Job[Any](app, 1)
    app.limits.set("openai", rate="1/s")
    app.schedules.set("nightly", report, every=60)
    return {
        "Task.using": lambda: report.using(run_at=NAIVE),
        "Task.using expires": lambda: report.using(expires=NAIVE),
        "app.task expires": lambda: app.task(name="late", expires=NAIVE)(lambda: None),
        "Job.update": lambda: job.update(run_at=NAIVE),
        "limits.park": lambda: app.limits.park("openai", NAIVE),
        "Schedule starts": lambda: Schedule("x", report, every=60, starts_at=NAIVE),
        "Schedule ends": lambda: Schedule("x", report, every=60, ends_at=NAIVE),
        "schedules.set": lambda: app.schedules.set("nightly", starts_at=NAIVE),
        "schedules.preview": lambda: app.schedules.preview("@hourly", after=NAIVE),
        "schedules.backfill": lambda: app.schedules.backfill("nightly", NAIVE, JANUARY),
        "schedules.backfill until": lambda: app.schedules.backfill("nightly", JANUARY, NAIVE),
        "at": lambda: at("09:00", now=NAIVE),
        "RateLimited": lambda: RateLimited(NAIVE),
        "assert_enqueued": lambda: assert_enqueued(report, run_at=NAIVE),
    }


def test_a_time_without_a_zone_is_refused_at_every_door(app: PgQueue, report: Report) -> None:
    for name, door in _doors(app, report).items():
        with pytest.raises(InvalidArgument, match=r": 2030-01-01T00:00:00 has no time zone; use datetime.now\(UTC\) or"):
            raise AssertionError(f"{name} took it: {door()}")


async def test_a_time_without_a_zone_is_refused_at_every_door_of_async_code(async_app: PgQueue, report: Report) -> None:
    job = Job[Any](async_app, 1)
    doors: list[Callable[[], Any]] = [
        lambda: job.aupdate(run_at=NAIVE),
        lambda: async_app.limits.apark("openai", NAIVE),
        lambda: async_app.schedules.aset("nightly", ends_at=NAIVE),
        lambda: async_app.schedules.apreview("@hourly", after=NAIVE),
        lambda: async_app.schedules.abackfill("nightly", NAIVE, JANUARY),
    ]
    for door in doors:
        with pytest.raises(InvalidArgument, match=r": 2030-01-01T00:00:00 has no time zone; use"):
            await door()
