"""Cron expressions and intervals in plain English."""

from datetime import datetime

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from pgqueue.errors import InvalidArgument
from pgqueue.schedules.parse import parse
from pgqueue.schedules.words import describe, describe_every


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        # times of a day
        ("0 2 * * *", "at 02:00 every day"),
        ("0,30 9,17 * * *", "at 09:00, 09:30, 17:00 and 17:30 every day"),
        ("0 2 * * 1,3 15", "at 02:00:15 on Monday and Wednesday"),
        ("0 2 * * * 0", "at 02:00 every day"),
        ("@daily", "at 00:00 every day"),
        ("@weekly", "at 00:00 on Sunday"),
        ("@monthly", "at 00:00 on day 1 of the month"),
        ("@yearly", "at 00:00 on 1 January"),
        ("@hourly", "every hour"),
        # minutes and hours
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0,15,30,45 * * * *", "every 15 minutes"),
        ("0-59/15 * * * *", "every 15 minutes"),
        ("*/7 * * * *", "at every 7th minute from 0 to 56 past every hour"),
        ("5-59/15 * * * *", "at every 15th minute from 5 to 50 past every hour"),
        ("0 9-17 * * 1-5", "at minute 0 past every hour from 9 to 17, Monday to Friday"),
        ("0 */2 * * *", "at minute 0 past every 2nd hour from 0 to 22"),
        ("0 22-6 * * *", "at minute 0 past every hour from 22 to 6"),
        ("0 22-6/3 * * *", "at minute 0 past every 3rd hour from 22 to 4"),
        ("30 5,9-17/2 * * *", "at minute 30 past hour 5 and every 2nd hour from 9 to 17"),
        ("*/5 2,3 * * *", "every 5 minutes in hours 2 and 3"),
        ("* 2 * * *", "every minute in hour 2"),
        ("0-10 2 * * *", "at every minute from 0 to 10 past hour 2"),
        ("0,1,2,3,4,5,6,7,8,9 * * * *", "at minutes 0, 1, 2, 3, 4, 5, 6 and 3 more past every hour"),
        # seconds
        ("* * * * * *", "every second"),
        ("* * * * * */10", "every 10 seconds"),
        ("* * * * * 0,30", "every 30 seconds"),
        ("* * * * * 0,20", "at seconds 0 and 20 of every minute"),
        ("* * * * * */7", "at every 7th second from 0 to 56 of every minute"),
        ("*/15 * * * * 30", "every 15 minutes, at second 30"),
        # days
        ("0 0 1 * 1", "at 00:00 on day 1 of the month or on Monday"),
        ("0 0 */2 * 1", "at 00:00 on every 2nd day from 1 to 31 of the month or on Monday"),
        ("0 0 1 * 1-5", "at 00:00 on day 1 of the month or on every day from Monday to Friday"),
        ("0 0 13 6-8 5", "at 00:00 on day 13 of the month or on Friday, in every month from June to August"),
        ("0 0 1-31 * 1", "at 00:00 every day"),
        ("0 0 */1 * 1", "at 00:00 on Monday"),
        ("0 0 L * *", "at 00:00 on the last day of the month"),
        ("0 0 15,L * *", "at 00:00 on day 15 and the last day of the month"),
        ("0 0 1,15 * *", "at 00:00 on days 1 and 15 of the month"),
        ("0 0 1-7 * *", "at 00:00 on every day from 1 to 7 of the month"),
        ("0 0 * * 5L", "at 00:00 on the last Friday of the month"),
        ("0 0 * * 1#2,3#1", "at 00:00 on the second Monday and the first Wednesday of the month"),
        ("0 0 * * fri-mon", "at 00:00, Friday to Monday"),
        ("0 0 * * */2", "at 00:00 on Sunday, Tuesday, Thursday and Saturday"),
        ("0 0 * * 6,7", "at 00:00 on Sunday and Saturday"),
        ("0 0 * * 0-7", "at 00:00 every day"),
        ("0 0 ? * ?", "at 00:00 every day"),
        # months
        ("0 0 29 2 *", "at 00:00 on 29 February"),
        ("0 0 1 1,7 *", "at 00:00 on day 1 of the month in January and July"),
        ("0 0 * */3 *", "at 00:00 every day in January, April, July and October"),
        ("0 * * jan-mar *", "every hour in every month from January to March"),
        # intervals
        ("@every 90s", "every 90 seconds"),
    ],
)
def test_an_expression_is_described(expression: str, words: str) -> None:
    """By what it does, not by how it was written."""
    assert describe(expression) == words


def test_h_is_described_as_what_the_name_decides() -> None:
    """Or by the numbers, if the name is known."""
    assert describe("H H * * *") == "at minute H past hour H (H is a number that the name of the schedule decides)"
    assert describe("H/15 2 * * H").startswith("at every 15th minute from H to 59 past hour 2 on weekday H (H is")
    assert describe("H 2 H H *").startswith("at minute H past hour 2 on day H of the month in month H (H is")
    assert describe("0 H * * *", hash_id="nightly").startswith("at ")
    assert "H" not in describe("H H H H *", hash_id="nightly")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "every second"), (1.5, "every 1.5 seconds"), (60, "every minute"), (90, "every 90 seconds"),
        (5400, "every 90 minutes"), (3600, "every hour"), (7200, "every 2 hours"), (86_400, "every 24 hours"),
        (90_061, "every 90061 seconds"),
    ],
)  # fmt: skip
def test_an_interval_is_described_in_the_largest_unit_that_is_exact(seconds: float, words: str) -> None:
    """Not in days: a day can have 23 hours."""
    assert describe_every(seconds) == words


def test_an_invalid_expression_is_refused_and_not_described() -> None:
    """With the same error as when it is made."""
    with pytest.raises(InvalidArgument, match="hour '24'"):
        describe("0 24 * * *")


MINUTES = st.lists(st.integers(0, 59), min_size=1, max_size=12, unique=True)
HOURS = st.lists(st.integers(0, 23), min_size=1, max_size=12, unique=True)


@given(st.lists(st.integers(0, 59), min_size=1, max_size=60), st.lists(st.integers(0, 23), min_size=1, max_size=24))
def test_the_description_of_a_long_list_is_short(minutes: list[int], hours: list[int]) -> None:
    """It is one line of a table."""
    text = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} 1-3,5-7,9,11 1,3,5 *"
    if len(text) <= 200:
        assert len(describe(text)) < 400


@given(MINUTES, HOURS)
def test_a_short_name_is_used_only_where_it_is_exact(minutes: list[int], hours: list[int]) -> None:
    """ "every n minutes" means that all gaps of the day are equal."""
    text = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"
    words = describe(text)
    rule = CronSim(text, datetime(2027, 1, 1))
    if words.startswith("every ") and words.partition(" in ")[0].split()[1].isdecimal():
        step = int(words.split()[1])
        assert sorted(rule.minutes) == list(range(0, 60, step))
        assert 60 % step == 0
    if words.endswith("every day"):
        shown = words.removeprefix("at ").removesuffix(" every day").replace(" and ", ", ").split(", ")
        assert shown == [f"{hour:02}:{minute:02}" for hour in sorted(rule.hours) for minute in sorted(rule.minutes)]


def test_the_values_of_an_expression_equal_those_of_cronsim() -> None:
    """What words and ticks are made of."""
    for text in ("*/7 1-5,9 1-31/3 jan-jun/2 mon-fri", "5,10-20/5 */5 1,2 * 0-7", "0 0 31 12 5-7"):
        ours, theirs = parse(text), CronSim(text, datetime(2027, 1, 1))
        assert [set(field.values) for field in ours.fields[:4]] == [theirs.minutes, theirs.hours, theirs.days, theirs.months]
        assert set(ours.weekday.values) == {day % 7 for day in theirs.weekdays if isinstance(day, int)}
