"""What `read_cron`, `read_every` and `read_zone` accept, and how they refuse the rest."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter

from pgqueue.errors import InvalidArgument
from pgqueue.schedules.cron import Cron, read_cron
from pgqueue.schedules.every import read_every
from pgqueue.schedules.parse import parse
from pgqueue.schedules.zones import read_zone

ZONE = ZoneInfo("UTC")
START = datetime(2027, 1, 1, tzinfo=UTC)


def after(cron: Cron, count: int = 5, at: datetime = START) -> list[datetime]:
    """The next ticks of an expression in UTC."""
    ticks = []
    for _ in range(count):
        tick = cron.next_after(at, ZONE)
        assert tick is not None
        assert tick > at
        ticks.append(at := tick)
    return ticks


def first(expression: str) -> str:
    """The first tick of 2027 in UTC, as text."""
    return f"{after(read_cron(expression), 1)[0]:%m-%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("expression", "part", "remedy"),
    [
        ("R * * * *", "minute 'R'", "use H"),
        ("0 R(1-5) * * *", "hour 'R(1-5)'", "use H"),
        ("* * * * * * 2020", "seven fields", "year"),
        ("0 0 1 1 * 2027-2030 *", "seven fields", "year"),
        ("5/15 * * * *", "minute '5/15'", "write 5-59/15"),
        ("0,5/15 * * * *", "minute '5/15'", "write 5-59/15"),
        ("59/15 * * * *", "minute '59/15'", "write 59"),
        ("0 0 31/5 * *", "day of the month '31/5'", "write 31"),
        ("*/61 * * * *", "minute '*/61'", "a step is 1 to 59"),
        ("*/60 * * * *", "minute '*/60'", "a step is 1 to 59"),
        ("0 */24 * * *", "hour '*/24'", "a step is 1 to 23"),
        ("0 0 */31 * *", "day of the month '*/31'", "a step is 1 to 30"),
        ("0 0 * */12 *", "month '*/12'", "a step is 1 to 11"),
        ("0 0 * * */7", "weekday '*/7'", "a step is 1 to 6"),
        ("10-12/5 * * * *", "minute '10-12/5'", "a step is 1 to 2"),
        ("*/0 * * * *", "minute '*/0'", "a step is 1 to 59"),
        ("H/99 * * * *", "minute 'H/99'", "a step is 1 to 59"),
        ("H(5-3) * * * *", "minute 'H(5-3)'", "from a smaller to a larger"),
        ("0 0 30 2 *", "day of the month '30', month '2'", "within 10 years"),
        ("0 0 31 4,6,9,11 *", "month '4,6,9,11'", "within 10 years"),
        ("0 0 LW * *", "day of the month 'LW'", "use numbers, or L"),
        ("0 0 15W * *", "day of the month '15W'", "use numbers, or L"),
        ("0 0 L-3 * *", "day of the month 'L-3'", "use numbers, or L"),
        ("0 0 * * L", "weekday 'L'", "0 to 7"),
        ("0 0 * * 1-5#2", "weekday '1-5#2'", "5#2 the second Friday"),
        ("0 0 * * 1#6", "weekday '1#6'", "#1 to #5"),
        ("0 0 * * 1,3#2", "weekday '1,3#2'", "two expressions"),
        ("0 0 1 * 1#2", "weekday '1#2'", "two expressions"),
        ("@reboot", "'@reboot'", "@daily"),
        ("@every 90s", "'@every 90s'", "alone"),
        ("@every 0s", "'@every 0s'", "1 second to 366 days"),
        ("", "no fields", "five"),
        ("* * * *", "4 fields", "five"),
        ("hourly", "one field", "five"),
        ("* * * * * * * *", "8 fields", "five"),
        ("0 24 * * *", "hour '24'", "0 to 23"),
        ("60 * * * *", "minute '60'", "0 to 59"),
        ("0 0 0 * *", "day of the month '0'", "1 to 31"),
        ("0 0 * 13 *", "month '13'", "1 to 12"),
        ("0 0 * foo *", "month 'foo'", "jan, feb"),
        ("0 0 * * 8", "weekday '8'", "sun, mon"),
        ("* * * * * 60", "second '60'", "0 to 59"),
        ("5-5 * * * *", "minute '5-5'", "write 5"),
        ("0 0 * * sun-sun", "weekday 'sun-sun'", "write sun"),
        ("-1 * * * *", "minute '-1'", "0 to 59"),
        ("1,,2 * * * *", "minute ''", "0 to 59"),
        ("*-5 * * * *", "minute '*-5'", "from a number to a number"),
        ("? * * * *", "minute '?'", "0 to 59"),
        ("\u0663 * * * *", "minute '\u0663'", "0 to 59"),
        ("1\xa02 * * * *", r"minute '1\xa02'", "0 to 59"),
        ("\x00 * * * *", r"minute '\x00'", "0 to 59"),
    ],
)
def test_an_expression_is_refused_with_its_wrong_part_and_the_remedy(expression: str, part: str, remedy: str) -> None:
    """When it is made, not when it is due."""
    with pytest.raises(InvalidArgument) as refused:
        read_cron(expression, "when")
    message = str(refused.value)
    assert message.startswith("when: ")
    assert part in message
    assert remedy in message
    assert "such as" in message or "for example" in message or "two expressions" in message or "alone" in message
    assert len(message) < 1000


@pytest.mark.parametrize(
    ("expression", "reading", "meant"),
    [
        ("0 0 2 * * *", "every second of the minute, at 00:00 on day 2 of the month", "'0 2 * * *' (at 02:00 every day)"),
        (
            "0 0 9 * * 1-5",
            "every second from 1 to 5 of the minute, at 00:00 on day 9",
            "'0 9 * * 1-5' (at 09:00, Monday to Friday)",
        ),
        ("15 0 2 * * *", "every second of the minute, at 00:15 on day 2", "'0 2 * * * 15' (at 02:00:15 every day)"),
        ("0 */5 * * * *", "every second of the minute, at minute 0 past every 5th hour", "'*/5 * * * *' (every 5 minutes)"),
        ("* 9-17 * * * */10", "every 10 seconds of the minute, every minute in every hour from 9 to 17", "use one second"),
    ],
)
def test_six_fields_that_fire_several_times_in_some_minutes_are_refused_with_both_readings(
    expression: str, reading: str, meant: str
) -> None:
    """Nearly always they were meant with the seconds first: 60 jobs instead of one."""
    with pytest.raises(InvalidArgument, match="the seconds are the last of six fields") as refused:
        read_cron(expression)
    assert reading in str(refused.value)
    assert meant in str(refused.value)


def test_six_fields_that_are_out_of_range_are_refused_with_the_reading_that_was_meant() -> None:
    """`0 30 2 * * *` has no reading with the seconds last."""
    with pytest.raises(
        InvalidArgument, match=r"hour '30'.*seconds are the last.*did you mean '30 2 \* \* \*' \(at 02:30 every day\)"
    ):
        read_cron("0 30 2 * * *")


@pytest.mark.parametrize("expression", [None, 5, ["0 2 * * *"], b"0 2 * * *", {}])
def test_what_is_no_text_is_refused(expression: object) -> None:
    """Also what cannot be a key of a cache."""
    with pytest.raises(InvalidArgument, match=r"cron: .* use a cron expression, such as '0 2"):
        read_cron(expression)  # type: ignore[arg-type]


def test_an_expression_has_at_most_200_characters() -> None:
    """2,000 ranges take croniter half a second."""
    longest = ",".join(["10-20"] * 32) + " * * * *"
    assert len(longest) == 199
    assert read_cron(longest)
    with pytest.raises(InvalidArgument, match="it has 203 characters; use at most 200"):
        read_cron(longest + " " * 4)
    with pytest.raises(InvalidArgument, match="at most 200") as refused:
        read_cron(",".join(["1-2"] * 2000) + " * * * *")
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("expression", "tick"),
    [
        ("0 2 * * *", "01-01 02:00:00"),
        ("  0\t2 * * *\n", "01-01 02:00:00"),
        ("@hourly", "01-01 01:00:00"),
        ("@DAILY", "01-02 00:00:00"),
        ("@midnight", "01-02 00:00:00"),
        ("@weekly", "01-03 00:00:00"),
        ("@monthly", "02-01 00:00:00"),
        ("0 0 * * MON", "01-04 00:00:00"),
        ("0 0 * feb-mar *", "02-01 00:00:00"),
        ("0 0 * * sat-mon", "01-02 00:00:00"),
        ("0 0 * * 7", "01-03 00:00:00"),
        ("0 0 * * 0-7", "01-02 00:00:00"),
        ("0 0 L * *", "01-31 00:00:00"),
        ("0 0 * * L5", "01-29 00:00:00"),
        ("0 0 * * 5L", "01-29 00:00:00"),
        ("0 0 * * FRI#2", "01-08 00:00:00"),
        ("0 0 ? * ?", "01-02 00:00:00"),
        ("0 0 29 2 *", "02-29 00:00:00"),
        ("* * * * * *", "01-01 00:00:01"),
        ("* * * * * */10", "01-01 00:00:10"),
        ("0 2 * * * 30", "01-01 02:00:30"),
    ],
)
def test_an_expression_that_is_accepted_fires_when_it_says(expression: str, tick: str) -> None:
    """Five fields, six fields, names, and the first tick of 2027."""
    assert first(expression) == tick


def test_a_range_may_run_over_the_end_of_its_field() -> None:
    """With a step too: croniter skips a value there."""
    assert [tick.hour for tick in after(read_cron("0 22-6/3 * * *"), 6)] == [1, 4, 22, 1, 4, 22]
    assert [tick.hour for tick in after(read_cron("0 23-1 * * *"), 4)] == [1, 23, 0, 1]


def test_both_day_fields_restricted_mean_or() -> None:
    """As words.py says; also if one begins with a star."""
    days = [tick.day for tick in after(read_cron("0 0 */10 * 1"), 8)]
    assert days == [4, 11, 18, 21, 25, 31, 1, 8]
    assert after(read_cron("0 0 1-31 * 1")) == after(read_cron("0 0 * * *"))
    assert after(read_cron("0 0 */1 * 1")) == after(read_cron("0 0 * * 1"))


@pytest.mark.parametrize("field", ["H * * * *", "H/15 H * * *", "H(10-20) H(1-5) * H H", "0 0 H/7 * *", "* * * * * H"])
def test_h_is_what_croniter_makes_of_the_name(field: str) -> None:
    """So that a crontab of another program can be moved."""
    for name in ("nightly", "report:eu", "", "x" * 100):
        theirs = croniter(field, START, datetime, hash_id=name)
        assert after(read_cron(field, hash_id=name)) == [theirs.get_next() for _ in range(5)]


def test_h_differs_between_names_and_is_a_day_that_each_month_has() -> None:
    """31 would leave out five months."""
    crons = [read_cron("H H H * *", hash_id=f"schedule {number}") for number in range(100)]
    assert len({after(cron, 1)[0] for cron in crons}) > 90
    assert {tick.month for cron in crons for tick in after(cron, 12)} == set(range(1, 13))
    assert all((later - tick).days <= 31 for cron in crons for tick, later in pairwise(after(cron, 12)))


def test_after_ten_years_without_a_tick_there_is_none() -> None:
    """Five Sundays in February: 2032, 2060."""
    cron = Cron(parse("0 0 * 2 SUN#5"))
    assert cron.next_after(datetime(2027, 1, 1, tzinfo=UTC), ZONE) == datetime(2032, 2, 29, tzinfo=UTC)
    assert cron.next_after(datetime(2032, 3, 1, tzinfo=UTC), ZONE) is None
    assert cron.previous(datetime(2027, 1, 1, tzinfo=UTC), ZONE) is None
    assert read_cron("* * * * *").next_after(datetime.max.replace(tzinfo=UTC), ZONE) is None


def test_a_tick_is_computed_for_an_instant_in_any_zone_to_the_microsecond() -> None:
    """Strictly after, strictly before, and in UTC."""
    cron, zone, tick = read_cron("30 9 * * *"), ZoneInfo("Asia/Kolkata"), datetime(2027, 5, 1, 4, tzinfo=UTC)
    moment = timedelta(microseconds=1)
    assert cron.next_after((tick - moment).astimezone(ZoneInfo("America/Lima")), zone) == tick
    assert cron.next_after(tick, zone) == tick + timedelta(days=1)
    assert cron.previous(tick + moment, zone) == tick
    assert cron.previous(tick, zone) == tick - timedelta(days=1)
    assert cron.next_after(tick, zone).tzinfo is UTC  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("@every 90s", 90), ("@every 15m", 900), (" @EVERY  6h ", 21_600), ("@every 1d", 86_400), ("@every 1h30m", 5_400)],
)
def test_every_is_an_interval(text: str, seconds: float) -> None:
    """Of seconds, minutes, hours and days."""
    assert read_every(text) == seconds


@pytest.mark.parametrize(
    "text", ["@every", "@every 90", "@every 0s", "@every 1w", "@every 30m1h", "@every 367d", "@every -5s", "@every1s"]
)
def test_an_invalid_interval_is_refused_with_an_example(text: str) -> None:
    """The error names the argument."""
    with pytest.raises(InvalidArgument, match=r"every: '@every.*such as '@every 90s'"):
        read_every(text, "every")


def test_a_cron_expression_is_no_interval() -> None:
    """None, so that the caller reads it as cron."""
    assert read_every("0 2 * * *") is None


@pytest.mark.parametrize(
    "name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "America/Port-au-Prince"]
)
def test_a_zone_is_read_by_its_name(name: str) -> None:
    """From the database of time zones."""
    assert read_zone(name).key == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Berln", "'Europe/Berlin'"),
        ("europe/berlin", "'Europe/Berlin'"),
        ("Berlin", "'Europe/Berlin'"),
        ("New_York", "'America/New_York'"),
        ("America", "there is no such time zone"),
        ("Mars/Olympus", "such as 'Europe/Berlin'"),
        ("", "such as 'Europe/Berlin'"),
        ("/etc/localtime", "such as 'Europe/Berlin'"),
        ("../Europe/Berlin", "such as 'Europe/Berlin'"),
        ("Europe//Berlin", "such as 'Europe/Berlin'"),
        ("Europe/Berlin\n", "such as 'Europe/Berlin'"),
        ("localtime", "such as 'Europe/Berlin'"),
        ("posixrules", "such as 'Europe/Berlin'"),
        ("Factory", "such as 'Europe/Berlin'"),
        ("right/Europe/Berlin", "such as 'Europe/Berlin'"),
        ("posix/UTC", "such as 'Europe/Berlin'"),
        ("a" * 65, "such as 'Europe/Berlin'"),
        ("UTC\x00", "such as 'Europe/Berlin'"),
        (None, "such as 'Europe/Berlin'"),
        (ZONE, "such as 'Europe/Berlin'"),
    ],
)
def test_an_unknown_zone_is_refused_with_similar_names_or_an_example(name: object, hint: str) -> None:
    """Also a path, a folder, and names that depend on the machine."""
    with pytest.raises(InvalidArgument) as refused:
        read_zone(name, "tz")
    assert str(refused.value).startswith("tz: ")
    assert hint in str(refused.value)
    assert len(str(refused.value)) < 300


def test_what_users_import_does_not_load_croniter() -> None:
    """It takes longer than a client that only enqueues should wait."""
    look = "import sys, pgqueue, pgqueue.schedules.at, pgqueue.schedules.words; print('croniter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout == "False\n"
