"""A time of the clock as `run_at`."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pgqueue.errors import InvalidArgument
from pgqueue.schedules.at import at

NEW_YORK = "America/New_York"
NOON = datetime(2027, 5, 1, 16, tzinfo=UTC)  # 12:00 in New York


@pytest.mark.parametrize(
    ("clock", "days", "expected"),
    [
        ("13:00", None, "2027-05-01T13:00:00-04:00"),
        ("09:00", None, "2027-05-02T09:00:00-04:00"),
        ("12:00", None, "2027-05-02T12:00:00-04:00"),
        ("9:00", 0, "2027-05-01T09:00:00-04:00"),
        ("09:00", 1, "2027-05-02T09:00:00-04:00"),
        ("09:00:30", 7, "2027-05-08T09:00:30-04:00"),
        ("00:00", None, "2027-05-02T00:00:00-04:00"),
        ("23:59:59", None, "2027-05-01T23:59:59-04:00"),
    ],
)
def test_a_time_of_the_clock_is_the_next_one_or_that_of_a_day(clock: str, days: int | None, expected: str) -> None:
    """By default the next time that the clock shows it."""
    found = at(clock, tz=NEW_YORK, days=days, now=NOON)
    assert found.isoformat() == expected
    assert found.tzinfo == ZoneInfo(NEW_YORK)


def test_today_is_the_day_of_the_zone() -> None:
    """23:30 in UTC is already tomorrow in Tokyo."""
    now = datetime(2027, 5, 1, 23, 30, tzinfo=UTC)
    assert at("09:00", tz="Asia/Tokyo", days=0, now=now).isoformat() == "2027-05-02T09:00:00+09:00"
    assert at("09:00", tz=ZoneInfo("America/Lima"), days=0, now=now).isoformat() == "2027-05-01T09:00:00-05:00"


@pytest.mark.parametrize(
    ("clock", "tz", "day", "expected"),
    [
        ("02:30", "Europe/Berlin", "2027-03-28", "2027-03-28T03:00:00+02:00"),
        ("02:30", "Europe/Berlin", "2027-10-31", "2027-10-31T02:30:00+02:00"),
        ("02:30", NEW_YORK, "2027-03-14", "2027-03-14T03:00:00-04:00"),
        ("01:30", NEW_YORK, "2027-11-07", "2027-11-07T01:30:00-04:00"),
        ("02:15", "Australia/Lord_Howe", "2027-10-03", "2027-10-03T02:30:00+11:00"),
        ("01:45", "Australia/Lord_Howe", "2027-04-04", "2027-04-04T01:45:00+11:00"),
        ("00:30", "Africa/Cairo", "2027-04-30", "2027-04-30T01:00:00+03:00"),
    ],
)
def test_a_change_of_clocks_is_handled_as_for_schedules(clock: str, tz: str, day: str, expected: str) -> None:
    """The end of a gap, the first of two equal times."""
    start = datetime.fromisoformat(day).replace(hour=12, tzinfo=ZoneInfo(tz)) - timedelta(days=1)
    assert at(clock, tz=tz, days=1, now=start).isoformat() == expected


def test_the_first_of_two_equal_times_is_over_when_the_second_comes() -> None:
    """At 02:10 for the second time, the next 02:30 is tomorrow's."""
    now = datetime(2027, 10, 31, 1, 10, tzinfo=UTC)
    assert at("02:30", tz="Europe/Berlin", now=now).isoformat() == "2027-11-01T02:30:00+01:00"


def test_a_day_counts_as_a_day_of_the_calendar_when_clocks_change() -> None:
    """09:00 stays 09:00."""
    now = datetime(2027, 10, 30, 12, tzinfo=UTC)
    assert at("09:00", tz="Europe/Berlin", days=2, now=now).isoformat() == "2027-11-01T09:00:00+01:00"


def test_without_now_it_counts_from_now() -> None:
    """The next one is within 25 hours."""
    before = datetime.now(UTC)
    assert before < at("09:00") <= datetime.now(UTC) + timedelta(hours=24)
    assert at("09:00").tzinfo == ZoneInfo("UTC")


@pytest.mark.parametrize(
    "clock", ["24:00", "09:60", "09:00:60", "9", "0900", "09:00 ", "9am", "", "-1:00", "\u0660\u0669:00", None, 9]
)
def test_an_invalid_time_is_refused_with_an_example(clock: Any) -> None:
    """A time of day is hours and minutes."""
    with pytest.raises(InvalidArgument, match=r"clock: .* such as '09:00'"):
        at(clock)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tz": "Europe/Berln"}, "tz: 'Europe/Berln' .* 'Europe/Berlin'"),
        ({"tz": "localtime"}, "tz: 'localtime'"),
        ({"tz": timezone(timedelta(hours=2))}, "tz: .* 'Europe/Berlin'"),
        ({"tz": None}, "tz: None"),
        ({"days": -1}, "days: -1 .* 0 \\(today\\)"),
        ({"days": 1.5}, "days: 1.5"),
        ({"days": True}, "days: True"),
        ({"days": 10**9}, "days: 1000000000"),
        ({"days": "1"}, "days: '1'"),
        ({"days": 36_525, "now": datetime(9950, 1, 1, tzinfo=UTC)}, "days: 36525 .* 9999"),
        ({"now": datetime.max.replace(tzinfo=UTC)}, "now: .* 9999"),
        ({"now": datetime(2027, 1, 1)}, "now: .* no time zone"),
        ({"now": "2027"}, "now: '2027'"),
    ],
)
def test_an_invalid_option_is_refused_by_its_name(options: dict[str, Any], message: str) -> None:
    """The value and the remedy."""
    with pytest.raises(InvalidArgument, match=message):
        at("09:00", **options)
