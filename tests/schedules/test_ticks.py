"""The ticks of a schedule: its definition, its bounds, and what is due."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgqueue.errors import InvalidArgument
from pgqueue.schedules.cron import Cron, read_cron
from pgqueue.schedules.parse import parse
from pgqueue.schedules.ticks import ANCHOR, Due, Ticks

START = datetime(2027, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


def hourly(starts_at: datetime | None = None, ends_at: datetime | None = None) -> Ticks:
    """A schedule with a tick each hour."""
    return Ticks((read_cron("0 * * * *"),), starts_at=starts_at, ends_at=ends_at)


def at(hours: float) -> datetime:
    """So many hours after the start."""
    return START + HOUR * hours


class Patched(Cron):
    """A cron whose library answers wrongly."""

    def __init__(self, after: timedelta, before: timedelta = -HOUR) -> None:
        super().__init__(parse("* * * * *"))
        self.after, self.before = after, before

    def next_after(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        return at + self.after

    def previous(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        return at + self.before


# What is due


def test_nothing_is_due_before_the_next_tick() -> None:
    """Whether it is stored or computed."""
    assert hourly().due(at(0), at(1), at(1) - MOMENT) == Due([], 0, at(1))
    assert hourly().due(at(0), None, at(1) - MOMENT) == Due([], 0, at(1))


def test_a_tick_is_due_at_its_very_time_and_not_before_the_times_that_are_done() -> None:
    """The lower bound is left out, the upper one counts."""
    assert hourly().due(at(0), at(1), at(1)) == Due([at(1)], 0, at(2))
    assert hourly().due(at(1), None, at(2)) == Due([at(2)], 0, at(3))


def test_missed_ticks_are_listed_oldest_first() -> None:
    """And the first one that is not due."""
    assert hourly().due(at(0), at(1), at(3.5)) == Due([at(1), at(2), at(3)], 0, at(4))


@pytest.mark.parametrize("ticks", [hourly(), Ticks(every=3600.0)])
def test_the_stored_tick_is_the_first_one_even_if_this_library_answers_otherwise(ticks: Ticks) -> None:
    """Another version may have computed it."""
    assert ticks.due(at(0), at(0.5), at(2)) == Due([at(0.5), at(1), at(2)], 0, at(3))
    assert ticks.due(at(0), at(5), at(2)) == Due([], 0, at(5))


def test_a_stored_tick_that_is_done_is_not_due_again() -> None:
    """It is not after the times that are done."""
    assert hourly().due(at(2), at(1), at(3)) == Due([at(3)], 0, at(4))


def test_answers_are_in_utc() -> None:
    """Whatever zone the stored tick came in."""
    due = hourly().due(at(0), at(1).astimezone(ZoneInfo("Asia/Tokyo")), at(1))
    assert due.ticks[0].tzinfo is UTC


@pytest.mark.parametrize("ticks", [Ticks((read_cron("* * * * *"),)), Ticks(every=60.0)])
def test_at_most_the_last_thousand_ticks_are_listed(ticks: Ticks) -> None:
    """The number of the others is exact."""
    due = ticks.due(START, None, START + timedelta(minutes=1500))
    assert (len(due.ticks), due.older, due.next) == (1000, 500, START + timedelta(minutes=1501))
    assert due.ticks == [START + timedelta(minutes=number) for number in range(501, 1501)]
    assert ticks.due(START, None, START + timedelta(minutes=1000)).older == 0
    assert ticks.due(START, None, START + timedelta(minutes=1001)).older == 1


def test_years_of_missed_ticks_of_an_interval_cost_nothing_and_are_counted() -> None:
    """One a second for ten years, beginning with a stored tick between two others."""
    until = START + timedelta(days=3650)
    due = Ticks(every=1.0).due(START, START + timedelta(seconds=0.5), until)
    assert due.older == 3650 * 86_400 + 1 - 1000
    assert (due.ticks[0], due.ticks[-1], due.next) == (until - timedelta(seconds=999), until, until + timedelta(seconds=1))


def test_years_of_missed_ticks_of_an_expression_are_counted_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last ones are found backwards; the number of the others is a lower bound."""
    steps = []
    step = Cron._wall

    def counted(cron: Cron, wall: datetime, verb: str) -> datetime | None:
        steps.append(verb)
        return step(cron, wall, verb)

    monkeypatch.setattr(Cron, "_wall", counted)
    until = START + timedelta(days=3650)
    due = Ticks((read_cron("* * * * *"),)).due(START, None, until)
    assert due.ticks == [until - timedelta(minutes=number) for number in range(999, -1, -1)]
    assert (due.older, due.next) == (3_000, until + timedelta(minutes=1))
    assert len(steps) < 4_100


def test_where_counted_and_listed_ticks_overlap_none_is_counted_twice() -> None:
    """3,001 due ticks: 1,000 listed, 2,001 before them."""
    due = Ticks((read_cron("* * * * *"),)).due(START, None, START + timedelta(minutes=3_001))
    assert (len(due.ticks), due.older) == (1000, 2001)


def test_the_last_ticks_of_two_expressions_are_found_backwards_together() -> None:
    """In order, each once."""
    ticks = Ticks((read_cron("*/2 * * * *"), read_cron("*/3 * * * *")))
    until = START + timedelta(days=60)
    due = ticks.due(START, None, until)
    expected = [START + timedelta(minutes=number) for number in range(60 * 1440 + 1) if number % 2 == 0 or number % 3 == 0]
    assert due.ticks == expected[-1000:]


def test_a_library_that_does_not_advance_is_an_error_and_no_endless_loop() -> None:
    """Forwards and backwards."""
    for after in (timedelta(), -HOUR):
        with pytest.raises(RuntimeError, match=r"does not advance: the tick after"):
            Ticks((Patched(after),)).due(START, None, at(5))
        with pytest.raises(RuntimeError, match=r"does not advance: the tick after"):
            Ticks((Patched(after),)).upcoming(START, 5)
    with pytest.raises(RuntimeError, match=r"does not advance: the tick before"):
        Ticks((Patched(timedelta(seconds=1), timedelta()),)).due(START, None, at(50))


# Several expressions, intervals, bounds


def test_several_expressions_are_one_schedule_in_which_no_tick_comes_twice() -> None:
    """Both name noon."""
    ticks = Ticks((read_cron("0 12 * * *"), read_cron("0 */6 * * *"), read_cron("30 3 * * *")))
    assert ticks.upcoming(START, 6) == [at(3.5), at(6), at(12), at(18), at(24), at(27.5)]
    assert ticks.due(at(5), None, at(13)) == Due([at(6), at(12)], 0, at(18))


def test_an_interval_counts_from_an_anchor_that_all_workers_share() -> None:
    """Not from the start of a worker."""
    assert Ticks(every=7.0).first_after(ANCHOR) == ANCHOR + timedelta(seconds=7)
    assert Ticks(every=7.0).first_after(ANCHOR - MOMENT) == ANCHOR
    begins = START + timedelta(seconds=3)
    assert Ticks(every=3600.0, starts_at=begins).upcoming(START, 2) == [begins, begins + HOUR]


@given(
    every=st.floats(1, 1e6).map(lambda seconds: round(seconds, 6)),
    after=st.datetimes(datetime(1999, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    span=st.floats(0, 1e6),
)
def test_an_interval_by_arithmetic_equals_one_by_steps(every: float, after: datetime, span: float) -> None:
    """The same ticks, and the same number."""
    ticks, until = Ticks(every=every), after + timedelta(seconds=min(span, every * 1500))
    due = ticks.due(after, None, until)
    stepped = [tick for tick in ticks.upcoming(after, 1600) if tick <= until]
    assert due == Due(stepped[-1000:], max(0, len(stepped) - 1000), ticks.first_after(until))


def test_an_interval_counts_real_seconds_when_clocks_change() -> None:
    """24 hours are 24 hours on a day of 25."""
    zone = ZoneInfo("Europe/Berlin")
    begins = datetime(2027, 10, 30, 9, tzinfo=zone)
    first, second = Ticks(every=86_400.0, zone=zone, starts_at=begins.astimezone(UTC)).upcoming(begins - MOMENT, 2)
    assert second - first == HOUR * 24
    assert second.astimezone(zone).hour == 8


@pytest.mark.parametrize("ticks", [hourly(starts_at=at(2), ends_at=at(4)), Ticks(every=3600.0, starts_at=at(2), ends_at=at(4))])
def test_the_bounds_of_a_schedule_belong_to_it(ticks: Ticks) -> None:
    """No tick before the first, none after the last."""
    assert ticks.upcoming(at(0), 10) == [at(2), at(3), at(4)]
    assert ticks.due(at(0), None, at(9)) == Due([at(2), at(3), at(4)], 0, None)
    assert ticks.due(at(3), at(4), at(3.5)) == Due([], 0, at(4))
    assert ticks.first_after(at(4)) is None
    assert ticks.due(at(4), None, at(9)) == Due([], 0, None)


def test_an_end_bounds_what_is_found_backwards() -> None:
    """Ended 20 days after the start, looked at 40 days later."""
    end = START + timedelta(days=20)
    due = Ticks((read_cron("* * * * *"),), ends_at=end).due(START, None, end + timedelta(days=40))
    assert (due.ticks[-1], due.next, len(due.ticks)) == (end, None, 1000)


def test_a_zone_decides_what_the_clock_shows() -> None:
    """09:00 in Tokyo is midnight in UTC."""
    ticks = Ticks((read_cron("0 9 * * *"),), zone=ZoneInfo("Asia/Tokyo"))
    assert ticks.first_after(START) == START + timedelta(days=1)


# Definitions


def test_a_definition_is_read_by_its_keys_about_time() -> None:
    """The others belong to SQL."""
    definition = {
        "cron": ["0 9 * * *", "0 10 * * *"], "timezone": "Asia/Tokyo", "starts_at": "2027-01-01T01:00:00+00:00",
        "ends_at": "2027-01-02T09:00:00+09:00", "job": {"task": "report"}, "misfire": "skip",
    }  # fmt: skip
    assert Ticks.from_definition(definition, "daily").upcoming(START - HOUR * 24, 9) == [at(1), at(24)]


def test_a_definition_may_have_one_expression_as_text_or_an_interval() -> None:
    """Also in the way of @every."""
    assert Ticks.from_definition({"cron": "0 * * * *"}, "n").first_after(START) == at(1)
    assert Ticks.from_definition({"every": 90}, "n").every == 90
    assert Ticks.from_definition({"every": timedelta(minutes=2)}, "n").every == 120
    assert Ticks.from_definition({"cron": ["@every 90s"]}, "n") == Ticks(every=90.0)
    assert Ticks.from_definition({"cron": "0 * * * *", "every": None, "timezone": None}, "n").zone.key == "UTC"


def test_h_in_a_definition_is_decided_by_the_name_of_the_schedule() -> None:
    """All workers agree, and schedules differ."""
    one, same, other = (Ticks.from_definition({"cron": ["H H * * *"]}, name).first_after(START) for name in ("a", "a", "b"))
    assert one == same
    assert one != other


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({}, "cron: a schedule has either cron or every"),
        ({"cron": ["0 * * * *"], "every": 5}, "cron: a schedule has either cron or every"),
        ({"cron": []}, "cron: .* 1 to 20"),
        ({"cron": ["0 * * * *"] * 21}, "cron: .* 1 to 20"),
        ({"cron": 5}, "cron: 5 is not valid"),
        ({"cron": [5]}, "cron: 5 is not valid"),
        ({"cron": {"a": 1}}, "cron: .* 1 to 20"),
        ({"cron": ["0 * * * *", "0 24 * * *"]}, "cron: '0 24 .* hour '24'"),
        ({"cron": ["0 * * * *", "@every 5s"]}, "cron: '@every 5s' .* alone"),
        ({"every": 0.5}, "every: 0.5 .* 1 second to 366 days"),
        ({"every": 1e9}, "every: .* 1 second to 366 days"),
        ({"every": float("nan")}, "every: nan"),
        ({"every": True}, "every: True"),
        ({"every": "90s"}, "every: '90s'"),
        ({"every": 5, "timezone": "Mars"}, "timezone: 'Mars'"),
        ({"every": 5, "timezone": 5}, "timezone: 5"),
        ({"every": 5, "starts_at": "soon"}, "starts_at: 'soon' .* such as '2027-01-01T00:00:00"),
        ({"every": 5, "starts_at": "2027-01-01T00:00:00"}, "starts_at: 2027-01-01T00:00:00 has no time zone"),
        ({"every": 5, "ends_at": 5}, "ends_at: 5"),
        ({"every": 5, "ends_at": "9999-12-31T00:00:00+00:00"}, "ends_at: .* between the years 1900 and 9900"),
        ({"every": 5, "starts_at": "2027-01-02T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z"}, "ends_at: .* after starts_at"),
    ],
)
def test_an_invalid_definition_is_refused_by_the_key_that_is_wrong(definition: dict[str, Any], message: str) -> None:
    """A worker shows the message in the row of the schedule."""
    with pytest.raises(InvalidArgument, match=message):
        Ticks.from_definition(definition, "n")
