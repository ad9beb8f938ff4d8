"""When clocks change: the same ticks as Debian's cron, which cronsim follows."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise, product
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pgqueue.schedules.cron import Cron, read_cron
from pgqueue.schedules.ticks import Ticks

ZONES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "Pacific/Chatham",
    "Antarctica/Troll",
)  # fmt: skip
FIXED = (
    "30 2 * * *", "45 1 * * *", "0 0 * * *", "0 0 * * 0", "0 2,3 * * *", "15,45 0-3 * * *", "5 1-3 * * *", "50 2 1-31/2 * *",
)  # fmt: skip
BY_REAL_TIME = ("0 * * * *", "*/30 * * * *", "*/20 0-3 * * *", "30 */2 * * *", "*/5 2 * * *", "* 1 * * *")
EXPRESSIONS = FIXED + BY_REAL_TIME
# cronsim steps by whole hours, and so over the first half of an hour where clocks go back by half an hour.
CRONSIM_IS_WRONG = {("Australia/Lord_Howe", "*/5 2 * * *", 3)}
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@lru_cache
def changes_of(zone: ZoneInfo, year: int = 2027) -> list[datetime]:
    """The first hours, in UTC, that begin with another offset."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + HOUR * number for number in range(365 * 24)]
    offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
    return [hour for hour, (before, after) in zip(hours[1:], pairwise(offsets), strict=True) if before != after]


def after(cron: Cron, at: datetime, zone: ZoneInfo, count: int) -> list[datetime]:
    """The next ticks after a time."""
    return Ticks((cron,), zone=zone).upcoming(at, count)


def of_cronsim(expression: str, at: datetime, zone: ZoneInfo, count: int) -> list[datetime]:
    """The same from cronsim."""
    return [tick.astimezone(UTC) for tick in islice(CronSim(expression, at.astimezone(zone)), count)]


def by_scanning(expression: str, at: datetime, zone: ZoneInfo, until: datetime) -> list[datetime]:
    """The minutes at which the clock of a zone shows a time that matches: what "by real time" means."""
    rule = CronSim(expression, datetime(2027, 1, 1))
    first = at.replace(second=0, microsecond=0) + MINUTE
    clocks = ((first + MINUTE * number).astimezone(zone) for number in range((until - first) // MINUTE + 1))
    return [
        clock.astimezone(UTC)
        for clock in clocks
        if clock.minute in rule.minutes and clock.hour in rule.hours and clock.month in rule.months and rule.match_day(clock)
    ]


@pytest.mark.parametrize("hours", [30, 3])
@pytest.mark.parametrize("name", ZONES)
def test_eight_ticks_around_both_changes_of_2027_equal_cronsim(name: str, hours: int) -> None:
    """Of each expression, from well before the change and from shortly before it."""
    zone = ZoneInfo(name)
    assert len(changes_of(zone)) == 2
    for change, expression in product(changes_of(zone), EXPRESSIONS):
        start = change - HOUR * hours
        ticks = after(read_cron(expression), start, zone, 8)
        if (name, expression, hours) not in CRONSIM_IS_WRONG:
            assert (expression, ticks) == (expression, of_cronsim(expression, start, zone, 8))


@pytest.mark.parametrize("name", ZONES)
def test_a_schedule_by_real_time_fires_whenever_the_clock_shows_a_time_that_matches(name: str) -> None:
    """In the hours around both changes, minute by minute."""
    zone = ZoneInfo(name)
    for change, expression in product(changes_of(zone), (*BY_REAL_TIME, "15 */2 * * *", "45 * * * *", "*/7 1-3 * * *")):
        start, until = change - HOUR * 4, change + HOUR * 6
        due = Ticks((read_cron(expression),), zone=zone).due(start, None, until)
        assert (expression, due.ticks) == (expression, by_scanning(expression, start, zone, until))


@pytest.mark.parametrize("name", ZONES)
def test_backwards_the_ticks_are_the_same(name: str) -> None:
    """`previous` from each tick, from just after it, and from between two."""
    zone = ZoneInfo(name)
    for change, expression in product(changes_of(zone), EXPRESSIONS):
        cron = read_cron(expression)
        ticks = after(cron, change - HOUR * 30, zone, 60 if expression.startswith("*") else 8)
        for before, tick in pairwise(ticks):
            assert cron.previous(tick, zone) == before
            assert cron.previous(tick + timedelta(microseconds=1), zone) == tick
            assert cron.previous(before + (tick - before) / 2, zone) == before


BERLIN, NEW_YORK, LORD_HOWE = ZONES[:3]


@pytest.mark.parametrize(
    ("name", "expression", "start", "expected"),
    [
        (BERLIN, "30 2 * * *", "2027-03-27T12:00+01:00", ["03-28T03:00+02:00", "03-29T02:30+02:00"]),
        (BERLIN, "30 2 * * *", "2027-10-30T12:00+02:00", ["10-31T02:30+02:00", "11-01T02:30+01:00"]),
        (BERLIN, "0 2,3 * * *", "2027-03-28T00:00+01:00", ["03-28T03:00+02:00", "03-29T02:00+02:00"]),
        (BERLIN, "0 2,3 * * *", "2027-10-31T00:00+02:00", ["10-31T02:00+02:00", "10-31T03:00+01:00"]),
        (BERLIN, "15,45 2 * * *", "2027-03-28T00:00+01:00", ["03-28T03:00+02:00", "03-29T02:15+02:00"]),
        (BERLIN, "0 * * * *", "2027-03-28T00:30+01:00", ["03-28T01:00+01:00", "03-28T03:00+02:00", "03-28T04:00+02:00"]),
        (BERLIN, "0 * * * *", "2027-10-31T01:30+02:00", ["10-31T02:00+02:00", "10-31T02:00+01:00", "10-31T03:00+01:00"]),
        (BERLIN, "*/5 2 * * *", "2027-03-28T00:00+01:00", ["03-29T02:00+02:00"]),
        (NEW_YORK, "30 2 * * *", "2027-03-13T12:00-05:00", ["03-14T03:00-04:00", "03-15T02:30-04:00"]),
        (NEW_YORK, "30 1 * * *", "2027-11-06T12:00-04:00", ["11-07T01:30-04:00", "11-08T01:30-05:00"]),
        (NEW_YORK, "*/30 * * * *", "2027-11-07T01:00-04:00", ["11-07T01:30-04:00", "11-07T01:00-05:00", "11-07T01:30-05:00"]),
        (NEW_YORK, "*/30 * * * *", "2027-03-14T01:00-05:00", ["03-14T01:30-05:00", "03-14T03:00-04:00", "03-14T03:30-04:00"]),
        (LORD_HOWE, "45 1 * * *", "2027-04-03T12:00+11:00", ["04-04T01:45+11:00", "04-05T01:45+10:30"]),
        (LORD_HOWE, "15 2 * * *", "2027-10-02T12:00+10:30", ["10-03T02:30+11:00", "10-04T02:15+11:00"]),
        (LORD_HOWE, "*/15 * * * *", "2027-04-04T01:30+11:00", ["04-04T01:45+11:00", "04-04T01:30+10:30", "04-04T01:45+10:30"]),
        (LORD_HOWE, "0 * * * *", "2027-10-03T00:30+10:30", ["10-03T01:00+10:30", "10-03T03:00+11:00"]),
    ],
)
def test_a_change_of_clocks_is_handled_as_documented(name: str, expression: str, start: str, expected: list[str]) -> None:
    """A fixed time once, a time in a gap at its end, several of them once, and others by real time."""
    found = after(read_cron(expression), datetime.fromisoformat(start), ZoneInfo(name), len(expected))
    assert found == [datetime.fromisoformat(f"2027-{tick}") for tick in expected]


def test_six_fields_follow_the_same_rule() -> None:
    """The seconds do not decide whether an expression is fixed."""
    found = after(read_cron("30 2 * * * 15"), datetime(2027, 10, 30, 12, tzinfo=UTC), ZoneInfo(BERLIN), 2)
    assert found == [datetime(2027, 10, 31, 0, 30, 15, tzinfo=UTC), datetime(2027, 11, 1, 1, 30, 15, tzinfo=UTC)]
    found = after(read_cron("30 2 * * * 15"), datetime(2027, 3, 27, 12, tzinfo=UTC), ZoneInfo(BERLIN), 2)
    assert found == [datetime(2027, 3, 28, 1, 0, 0, tzinfo=UTC), datetime(2027, 3, 29, 0, 30, 15, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2027-10-31T01:00+00:00", "2027-11-01T02:30+01:00"),  # the second 02:00
        ("2027-10-31T01:29:59.999999+00:00", "2027-11-01T02:30+01:00"),
        ("2027-10-31T00:29:59.999999+00:00", "2027-10-31T02:30+02:00"),
        ("2027-03-28T00:59:59.999999+00:00", "2027-03-28T03:00+02:00"),
        ("2027-03-28T01:00+00:00", "2027-03-29T02:30+02:00"),  # the end of the gap itself
    ],
)
def test_the_next_tick_of_a_fixed_time_from_within_a_change(start: str, expected: str) -> None:
    """A worker may start at any instant."""
    found = read_cron("30 2 * * *").next_after(datetime.fromisoformat(start), ZoneInfo(BERLIN))
    assert found == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("day", "expression", "count"),
    [
        ("2027-03-28", "0 * * * *", 23), ("2027-10-31", "0 * * * *", 25), ("2027-03-28", "*/15 * * * *", 92),
        ("2027-10-31", "*/15 * * * *", 100), ("2027-03-28", "30 2 * * *", 1), ("2027-10-31", "30 2 * * *", 1),
        ("2027-03-28", "0-59 2 * * *", 1), ("2027-10-31", "0-59 2 * * *", 60), ("2027-10-31", "* 2 * * *", 120),
    ],
)  # fmt: skip
def test_a_day_of_23_or_25_hours_has_as_many_ticks_as_it_should(day: str, expression: str, count: int) -> None:
    """Counted as for a worker that was away for the day."""
    zone = ZoneInfo(BERLIN)
    midnight = datetime.fromisoformat(day).replace(tzinfo=zone)
    last = (midnight + timedelta(days=1)).astimezone(UTC) - timedelta(microseconds=1)
    due = Ticks((read_cron(expression),), zone=zone).due(midnight - timedelta(microseconds=1), None, last)
    assert (len(due.ticks), due.older) == (count, 0)


def test_a_gap_of_a_whole_day_costs_two_steps_and_not_one_for_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """croniter with a zone takes 21 s for this one: Samoa left out 2011-12-30."""
    cron, steps, step = read_cron("* * * * * *"), [], Cron._wall

    def counted(cron: Cron, wall: datetime, verb: str) -> datetime | None:
        steps.append(wall)
        return step(cron, wall, verb)

    monkeypatch.setattr(Cron, "_wall", counted)
    at = datetime(2011, 12, 30, 9, 59, 59, tzinfo=UTC)
    found = cron.next_after(at, ZoneInfo("Pacific/Apia"))
    assert found == at + timedelta(seconds=1)
    assert cron.previous(found, ZoneInfo("Pacific/Apia")) == at
    assert len(steps) <= 4


# Random expressions: what cronsim can read too, and means the same (both days restricted, one with a star, is "and" there).
def _numbers(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    ends = st.tuples(value, value).filter(lambda ends: ends[0] < ends[1])
    span = ends.map(lambda ends: f"{ends[0]}-{ends[1]}")
    stepped = ends.flatmap(lambda ends: st.integers(1, ends[1] - ends[0]).map(lambda step: f"{ends[0]}-{ends[1]}/{step}"))
    star = st.integers(2, high - low).map(lambda step: f"*/{step}")
    listed = st.lists(st.one_of(value.map(str), span, stepped), min_size=1, max_size=4).map(",".join)
    return st.one_of(st.just("*"), star, value.map(str), listed)


EXPRESSION = st.tuples(*(_numbers(*ends) for ends in ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))))
INSTANT = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
NEAR_A_CHANGE = st.builds(
    lambda name, which, seconds: (ZoneInfo(name), changes_of(ZoneInfo(name))[which] + timedelta(seconds=seconds)),
    st.sampled_from(ZONES), st.sampled_from((0, 1)), st.integers(-90_000, 20_000),
)  # fmt: skip
ANYWHERE = st.tuples(st.sampled_from(ZONES).map(ZoneInfo), INSTANT)


def _agrees(parts: tuple[str, ...], zone: ZoneInfo, at: datetime) -> None:
    expression = " ".join(parts)
    assume("*" in (parts[2], parts[4]) or "*" not in parts[2] + parts[4])
    assume(parts[2] == "*" or parts[4] != "*" or _has_a_day(parts))
    cron = read_cron(expression)
    ticks = after(cron, at, zone, 6)
    assert at < ticks[0]
    for before, tick in pairwise(ticks):
        assert before < tick
        assert cron.previous(tick, zone) == before
    if parts[0][0] == "*" or parts[1][0] == "*":
        until = min(ticks[-1], at + HOUR * 30)
        assert [tick for tick in ticks if tick <= until] == by_scanning(expression, at, zone, until)
        assert after(cron, at, ZoneInfo("UTC"), 6) == of_cronsim(expression, at, ZoneInfo("UTC"), 6)
    elif not at.astimezone(zone).fold:  # cronsim forgets in which of two equal hours it starts
        assert ticks == of_cronsim(expression, at, zone, 6)


def _has_a_day(parts: tuple[str, ...]) -> bool:
    """Whether a month has the day: 30 February has none."""
    try:
        next(iter(CronSim(" ".join(("0", "0", *parts[2:])), datetime(2026, 1, 1))))
    except (CronSimError, StopIteration):
        return False
    return True


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(EXPRESSION, NEAR_A_CHANGE)
def test_random_expressions_agree_with_cronsim_near_a_change(parts: tuple[str, ...], where: tuple[ZoneInfo, datetime]) -> None:
    """In seven zones, forwards and backwards."""
    _agrees(parts, *where)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(EXPRESSION, ANYWHERE)
def test_random_expressions_agree_with_cronsim_at_any_time(parts: tuple[str, ...], where: tuple[ZoneInfo, datetime]) -> None:
    """Over four years."""
    _agrees(parts, *where)


@pytest.mark.parametrize("days", ["L * *", "15,L * *", "L 2 *", "* * 5L", "* * 1#1", "* * 5#5", "* * 1#2,3#4", "* 2 0L", "1 * 1"])
def test_days_that_depend_on_the_month_agree_with_cronsim(days: str) -> None:
    """Over five years, forwards and backwards."""
    expression, zone, at = f"30 2 {days}", ZoneInfo(BERLIN), datetime(2027, 1, 1, tzinfo=UTC)
    cron = read_cron(expression)
    ticks = after(cron, at, zone, 60)
    assert ticks == of_cronsim(expression, at, zone, 60)
    assert all(cron.previous(tick, zone) == before for before, tick in pairwise(ticks))
