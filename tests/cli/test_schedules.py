"""pgqueue schedules, and pgqueue schedule."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from ..looking import Look
from .conftest import Run, run_here

SET = ("schedules", "set", "nightly", "--cron", "0 2 * * *", "--task", "report")


def _move_to(zone: str, patch: pytest.MonkeyPatch) -> Iterator[str]:
    patch.setenv("TZ", zone)
    time.tzset()
    yield zone
    patch.undo()
    time.tzset()


@pytest.fixture(params=["UTC", "America/New_York"])
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The zone of this machine."""
    yield from _move_to(request.param, monkeypatch)


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """This machine is in New York."""
    yield from _move_to("America/New_York", monkeypatch)


def test_without_schedules_it_says_so(run: Run) -> None:
    assert run("schedules").out == "no schedules\n"
    assert run("schedules", "--json").out == ""


def test_set_makes_a_schedule_and_says_in_words_when_it_fires(run: Run, look: Look, new_york: str) -> None:
    ran = run(*SET, "--timezone", "Europe/Berlin")
    assert ran.code == 0
    first, following, *ticks = ran.out.splitlines()
    assert (first, following, len(ticks)) == ("added schedule nightly: at 02:00 every day, Europe/Berlin", "next:", 5)
    assert all(tick.endswith(("CET   here: " + tick[-16:], "CEST   here: " + tick[-16:])) for tick in ticks)
    assert all(tick[-5:] in ("20:00", "21:00") for tick in ticks)
    assert look.value("select definition->'job'->>'task' from schedule") == "report"


def test_set_changes_only_what_it_is_given(run: Run, look: Look) -> None:
    run(*SET, "--args", '{"region": "eu"}', "--queue", "slow", "--priority", "high", "--retries", "7")
    assert run(*SET).out.startswith("unchanged schedule nightly: at 02:00 every day, UTC\n")
    job = {"task": "report", "args": {"region": "eu"}, "queue": "slow", "priority": 50, "retries": 7}
    times = {"timeout": "PT2M", "expires_after": "PT1H"}
    for options, expected in (
        (("--every", "90s"), {"every": 90}),
        (("--cron", "0 2 * * *", "--cron", "0 14 * * *"), {"cron": ["0 2 * * *", "0 14 * * *"]}),
        (("--timezone", "Asia/Tokyo"), {"timezone": "Asia/Tokyo"}),
        (("--misfire", "catch_up", "--most", "3", "--spacing", "5s", "--window", "2h"), {"misfire": "catch_up", "window": 7200}),
        (("--overlap", "skip", "--jitter", "30"), {"overlap": "skip", "jitter": 30}),
        (("--starts-at", "2026-01-01T00:00+01:00"), {"starts_at": "2025-12-31T23:00:00.000000+00:00"}),
        (("--ends-at", "2999-01-01T00:00Z"), {"ends_at": "2999-01-01T00:00:00.000000+00:00"}),
        (("--args", '{"region": "us"}'), {"job": job | {"args": {"region": "us"}}}),
        (("--queue", "fast", "--args", "{}"), {"job": job | {"args": {}, "queue": "fast"}}),
        (("--timeout", "2m", "--expires", "1h"), {"job": job | {"args": {}, "queue": "fast"} | times}),
    ):
        (printed,) = run("schedules", "set", "nightly", *options, "--json").lines
        assert printed["change"] == "changed"
        assert printed["definition"].items() >= expected.items()
        assert len(printed["next_ticks"]) == 5
    run("schedules", "set", "nightly", "--reset", "ends_at", "--reset", "jitter")
    assert look.value("select definition ?| '{ends_at,jitter}' from schedule") is False


def test_a_time_without_a_zone_is_local_time(run: Run, look: Look, here: str) -> None:
    """The only door that takes one: its help says so."""
    run(*SET, "--starts-at", "2026-01-01T12:00")
    hour = {"UTC": 12, "America/New_York": 17}[here]
    assert look.value("select definition->>'starts_at' from schedule") == f"2026-01-01T{hour}:00:00.000000+00:00"
    for command in ("set", "backfill"):
        assert "local time without a zone" in " ".join(run("schedules", command, "--help").out.replace("│", " ").split())
    (printed,) = run(
        "schedules", "backfill", "nightly", "--since", "2026-01-01T12:00", "--until", "2026-01-03T12:00", "--dry-run", "--json"
    ).lines
    assert (printed["jobs"], datetime.fromisoformat(printed["since"])) == (2, datetime(2026, 1, 1, hour, tzinfo=UTC))


def test_the_list_shows_the_next_tick_and_what_came_of_the_last(run: Run, look: Look, new_york: str) -> None:
    run(*SET, "--timezone", "Europe/Berlin")
    run("schedules", "set", "often", "--every", "90s", "--task", "report")
    run("schedules", "trigger", "often")
    run("schedules", "pause", "often")
    look.value("update schedule set next_tick = '2027-01-05 01:00+00' returning name")
    look.value(
        "insert into schedule_tick (schedule, tick, outcome, reason, stands_for, fired_at) "
        "values ('nightly', '2026-01-05 01:00+00', 'skipped', 'missed', 7, clock_timestamp()) returning tick"
    )
    head, _, nightly, often, looked = [line.rstrip() for line in run("schedules").out.splitlines() if line.strip()]
    assert head.split() == ["name", "next", "tick", "here", "last", "tick", "outcome", "misfires"]
    assert nightly.split() == ["nightly", "2027-01-05", "02:00", "CET", "2027-01-04", "20:00", "7"]
    assert (often.split()[:2], often.split()[-1]) == (["often", "paused"], "fired")
    assert looked == "no worker has looked yet"
    look.value("update schedule_look set looked_at = '2026-01-05 12:00+00' returning looked_at")
    assert run("schedules").out.endswith("a worker looked at 2026-01-05 07:00:00\n")
    printed = {row["name"]: row for row in run("schedules", "--json").lines}
    assert (printed["nightly"]["misfires"], printed["often"]["enabled"], printed["often"]["every"]) == (7, False, 90)
    assert datetime.fromisoformat(printed["nightly"]["next_tick"]) == datetime(2027, 1, 5, 1, tzinfo=UTC)


def test_the_list_fits_into_80_columns(run: Run, look: Look, monkeypatch: pytest.MonkeyPatch, new_york: str) -> None:
    monkeypatch.setattr("pgqueue.cli.output.PIPED_WIDTH", 80)
    run("schedules", "set", "reports.of-all-regions.nightly", "--cron", "0 2 * * *", "--task", "t", "--timezone", "Europe/Berlin")
    run("schedules", "trigger", "reports.of-all-regions.nightly")
    look.value("update schedule set next_tick = '2027-01-05 01:00+00' returning name")
    lines = run("schedules").out.splitlines()
    assert max(map(len, lines)) <= 80
    (row,) = (line for line in lines if line.startswith(" reports"))
    assert "2027-01-05 02:00 CET" in row
    assert row.rstrip().endswith("fired")


def test_what_needs_attention_stands_below_the_list(run: Run, look: Look) -> None:
    run(*SET)
    run("schedules", "set", "old", "--every", "60", "--task", "report")
    assert "no active worker" not in run("schedules").out
    look.value("update schedule set error = 'cron: too clever' where name = 'nightly' returning name")
    look.value("update schedule set declared = definition where name = 'old' returning name")
    look.value(
        "insert into worker (id, name, host, pid, version, queues, concurrency, lease, started_at, heartbeat_at) "
        "values (gen_random_uuid(), 'w', 'h', 1, '1', '{default}', 1, '1 min', clock_timestamp(), clock_timestamp()) returning id"
    )
    out = run("schedules").out
    assert "nightly: cron: too clever\n" in out
    assert "no active worker declares old; jobs are made until `pgqueue schedules delete NAME`\n" in out
    assert " error " in next(line for line in out.splitlines() if line.startswith(" nightly"))
    assert "cron: too clever" in run("schedule", "nightly").out


def test_one_schedule_is_shown_with_its_ticks(run: Run, look: Look) -> None:
    run(*SET, "--overlap", "skip", "--timezone", "Asia/Tokyo", "--args", '{"region": "eu"}', "--jitter", "30s")
    run("schedules", "backfill", "nightly", "--since", "2026-01-01T00:00Z", "--until", "2026-01-04T00:00Z")
    ran = run("schedule", "nightly", "--limit", "2")
    assert ran.code == 0
    lines = [line.rstrip() for line in ran.out.splitlines()]
    assert lines[0] == "schedule nightly"
    facts = {"when at 02:00 every day, Asia/Tokyo", "overlap skip", "more jitter 30", "misfire coalesce", "declared by people"}
    facts |= {'job {"args": {"region": "eu"}, "task": "report"}'}
    assert facts <= {" ".join(line.split()) for line in lines}
    assert lines.index("next:") > 0
    ticks = [line.split() for line in lines if " backfill " in line]
    assert [tick[:3] for tick in ticks] == [["2026-01-04", "02:00", "JST"], ["2026-01-03", "02:00", "JST"]]
    (printed,) = run("schedule", "nightly", "--json").lines
    assert (printed["description"], len(printed["next_ticks"])) == ("at 02:00 every day, Asia/Tokyo", 5)
    assert [(tick["outcome"], tick["reason"]) for tick in printed["ticks"]] == [("fired", "backfill")] * 3


def test_pause_and_resume_say_whether_they_changed_anything(run: Run) -> None:
    run(*SET)
    assert [run("schedules", "pause", "nightly").out for _ in range(2)] == ["nightly paused\n", "nightly was paused already\n"]
    assert "paused" in run("schedules").out
    assert run("schedules", "set", "nightly", "--jitter", "5").out.startswith(
        "changed schedule nightly: at 02:00 every day, UTC (paused)"
    )
    run("schedules", "set", "nightly", "--reset", "jitter")
    resumed, again = (run("schedules", "resume", "nightly").out for _ in range(2))
    assert resumed.startswith("nightly resumed: at 02:00 every day, UTC\nnext:\n  20")
    assert again.startswith("nightly was not paused: at 02:00 every day, UTC\nnext:\n  20")
    assert run("schedules", "pause", "nightly", "--json").lines == [{"name": "nightly", "changed": True}]
    (printed,) = run("schedules", "resume", "nightly", "--json").lines
    assert (printed["changed"], printed["enabled"], len(printed["next_ticks"])) == (True, True, 5)


def test_trigger_makes_a_job(run: Run, look: Look) -> None:
    run(*SET)
    run("schedules", "pause", "nightly")
    first, second = run("schedules", "trigger", "nightly").out, run("schedules", "trigger", "nightly", "--json").lines
    assert [first, second] == [f"job {look.value('select min(id) from job')}\n", [{"id": look.value("select max(id) from job")}]]


def test_delete_removes_it(run: Run, look: Look) -> None:
    for how, printed in (((), "schedule nightly deleted\n"), (("--json",), '{"name": "nightly", "deleted": true}\n')):
        run(*SET)
        assert run("schedules", "delete", "nightly", *how).out == printed
        assert look.value("select count(*) from schedule") == 0


def test_backfill_counts_first(run: Run, look: Look) -> None:
    run(*SET)
    command = ("schedules", "backfill", "nightly", "--since", "2026-01-01T00:00Z", "--until", "2026-01-08T00:00Z")
    span = "for the ticks from 2026-01-01T00:00:00+00:00 to 2026-01-08T00:00:00+00:00\n"
    assert run(*command, "--dry-run").out == f"would make 7 jobs {span}"
    assert look.live() == 0
    assert run(*command, "--priority", "low").out == f"made 7 jobs {span}"
    assert look.value("select max(priority) from job") == -50
    assert run(*command).out == f"made 0 jobs {span}"
    assert run(*command, "--json").lines[0]["jobs"] == 0


def test_preview_shows_an_expression_without_a_database(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGQUEUE_DATABASE_URL", raising=False)
    ran = run_here(capsys, "schedules", "preview", "0 0 13 * 5", "--zone", "Europe/Berlin", "--count", "3")
    assert (ran.code, ran.err) == (0, "")
    first, following, *ticks = ran.out.splitlines()
    assert (first, following, len(ticks)) == ("at 00:00 on day 13 of the month or on Friday, Europe/Berlin", "next:", 3)
    (printed,) = run_here(capsys, "schedules", "preview", "@every 90s", "--json").lines
    times = [datetime.fromisoformat(tick) for tick in printed["next_ticks"]]
    assert printed["description"] == "every 90 seconds"
    assert [b - a for a, b in pairwise(times)] == [timedelta(seconds=90)] * 4


def test_preview_shows_a_schedule_by_its_name(run: Run) -> None:
    run(*SET, "--timezone", "Europe/Berlin", "--ends-at", "2026-01-01T00:00Z")
    assert run("schedules", "preview", "nightly").out == "at 02:00 every day, Europe/Berlin\nthere is no next tick\n"
    ran = run("schedules", "preview", "nightly", "--zone", "UTC")
    assert (ran.code, "zone: 'UTC' is not valid; it belongs to an expression" in ran.err) == (2, True)


def test_with_jitter_the_starts_are_those_of_the_jobs(run: Run, look: Look) -> None:
    run(*SET, "--jitter", "1h")
    (printed,) = run("schedules", "preview", "nightly", "--json").lines
    for tick, start in zip(printed["next_ticks"], printed["next_starts"], strict=True):
        delay = look.value("select jitter_of('nightly', %s::timestamptz, 3600)", tick)
        assert datetime.fromisoformat(start) == datetime.fromisoformat(tick) + delay
    first = run("schedules", "preview", "nightly", "--count", "1").out.splitlines()[-1]
    assert first.startswith(f"  {printed['next_ticks'][0][:10]} 02:00 UTC   starts ")
    assert first.endswith(" s later")


def test_an_expression_that_only_workers_could_refuse_is_shown_as_it_is(run: Run, look: Look) -> None:
    """SQL cannot read expressions."""
    look.value("""select set_schedule('odd', '{"cron": ["at noon"], "job": {"task": "report"}}')""")
    run(*SET)
    listed = run("schedules").out.splitlines()
    assert [line.split()[0] for line in listed if " none " in line] == ["odd"]
    assert [line.split()[0] for line in listed if " not computed yet " in line] == ["nightly"]
    ran = run("schedule", "odd")
    assert (ran.code, "there is no next tick\n" in ran.out) == (0, True)
    assert "when 'at noon', UTC" in " ".join(ran.out.split())
    assert run("schedules", "set", "odd", "--cron", "0 12 * * *").out.startswith(
        "changed schedule odd: at 12:00 every day, UTC\n"
    )


def test_a_name_in_place_of_a_command_is_told_which_one_shows_it(run: Run) -> None:
    ran = run("schedules", "nightly")
    assert (ran.code, ran.out) == (2, "")
    said = " ".join(ran.err.replace("│", " ").split())
    assert "there are: set, pause, resume, trigger, delete, backfill, preview. To show one schedule: pgqueue schedule" in said


RANGE = ("--since", "2026-01-01", "--until", "2026-01-02")


@pytest.mark.parametrize(
    "arguments",
    [
        ("schedule", "gone"),
        ("schedules", "pause", "gone"),
        ("schedules", "resume", "gone"),
        ("schedules", "trigger", "gone"),
        ("schedules", "delete", "gone"),
        ("schedules", "preview", "gone"),
        ("schedules", "backfill", "gone", *RANGE),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_schedule_that_is_not_there_is_exit_code_3(run: Run, arguments: tuple[str, ...]) -> None:
    run(*SET)
    ran = run(*arguments)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == "pgqueue: name: there is no schedule 'gone'; there are: nightly\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("set", "a b", "--every", "60", "--task", "t"), "name: 'a b'"),
        (("set", "new", "--task", "t"), "cron: "),
        (("set", "new", "--every", "60"), "job: "),
        (("set", "new", "--every", "0.5", "--task", "t"), "every: 0.5 is not valid"),
        (("set", "new", "--every", "60", "--task", "t", "--args", "[]"), "args: "),
        (("set", "new", "--every", "60", "--task", "t", "--args", "{"), "args: '{' is not JSON"),
        (("set", "new", "--every", "60", "--task", "t", "--queue", "a b"), "queue: 'a b'"),
        (("set", "new", "--every", "60", "--task", "t", "--priority", "urgent"), "priority: 'urgent'"),
        (("set", "new", "--every", "60", "--task", "t", "--priority", "101"), "priority: '101'"),
        (("set", "new", "--every", "60", "--task", "t", "--retries", "-1"), "retries: '-1'"),
        (("set", "new", "--every", "soon", "--task", "t"), "every: 'soon' is not valid; use seconds or a number"),
        (("set", "new", "--cron", "0 25 * * *", "--task", "t"), "cron: '0 25 * * *'"),
        (("set", "new", "--cron", "0 0 2 * * *", "--task", "t"), "did you mean '0 2 * * *'"),
        (("set", "new", "--cron", "@daily", "--every", "60", "--task", "t"), "every: "),
        (("set", "new", "--cron", "@daily", "--timezone", "Mars", "--task", "t"), "timezone: 'Mars'"),
        (("set", "new", "--cron", "@daily", "--misfire", "no", "--task", "t"), "misfire: 'no'"),
        (("set", "new", "--cron", "@daily", "--jitter", "-5s", "--task", "t"), "jitter: '-5s'"),
        (("set", "new", "--cron", "@daily", "--timeout", "soon", "--task", "t"), "timeout: 'soon' is not valid; use seconds"),
        (("set", "new", "--cron", "@daily", "--expires", "-1h", "--task", "t"), "expires: '-1h'"),
        (("set", "new", "--cron", "@daily", "--starts-at", "soon", "--task", "t"), "starts_at: 'soon' is not valid; use a time"),
        (("set", "new", "--cron", "@daily", "--reset", "job", "--task", "t"), "reset: 'job'"),
        (("backfill", "new", "--since", "2026-01-02", "--until", "2026-01-01"), "until: "),
        (("backfill", "new", "--since", "2026-01-02", "--until", "2999-01-01"), "until: "),
        (("preview", "0 25 * * *"), "cron: '0 25 * * *'"),
        (("preview", "@daily", "--zone", "Mars"), "timezone: 'Mars'"),
        (("--schema", "other", "delete", "new"), "options: put them after the command: pgqueue schedules delete"),
        (("--json", "pause", "new"), "options: put them after the command: pgqueue schedules pause"),
    ],
)
def test_bad_input_is_named_in_one_line(run: Run, look: Look, arguments: tuple[str, ...], named: str) -> None:
    ran = run("schedules", *arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), ran.err
    assert named in ran.err
    assert look.live() == look.value("select count(*) from schedule") == 0


def test_control_characters_in_what_is_stored_are_shown_and_not_executed(run: Run, look: Look) -> None:
    run(*SET)
    look.value("update schedule set error = E'\\x1b[31mred' returning name")
    assert "\x1b" not in run("schedules").out + run("schedule", "nightly").out
