"""pgqueue enqueue."""

from datetime import timedelta

import pytest

from ..looking import Look
from .conftest import Run


def test_a_job_is_added_with_the_defaults(run: Run, look: Look) -> None:
    ran = run("enqueue", "send", '{"to": 1}')

    assert ran.code == 0
    job = look.job(int(ran.out.removeprefix("job ")))
    assert (job["task"], job["args"], job["queue"], job["priority"], job["state"]) == ("send", {"to": 1}, "default", 0, "ready")
    assert job["max_attempts"] == 4


def test_arguments_may_be_left_out(run: Run, look: Look) -> None:
    (printed,) = run("enqueue", "send", "--json").lines
    assert look.job(printed["id"])["args"] == {}


def test_options_reach_the_job(run: Run, look: Look) -> None:
    options = ("--queue", "mail", "--priority", "high", "--run-after", "1 hour", "--retries", "0", "--json")
    (printed,) = run("enqueue", "send", *options).lines

    job = look.job(printed["id"])
    assert (job["queue"], job["priority"], job["max_attempts"], job["state"]) == ("mail", 50, 1, "scheduled")
    assert timedelta(minutes=59) < job["run_at"] - job["created_at"] <= timedelta(hours=1)


@pytest.mark.parametrize("after", ["90", "90s", "1m 30s", "00:01:30"])
def test_run_after_takes_seconds_or_an_interval(run: Run, look: Look, after: str) -> None:
    (printed,) = run("enqueue", "send", "--run-after", after, "--json").lines
    job = look.job(printed["id"])
    assert abs(job["run_at"] - job["created_at"] - timedelta(seconds=90)) < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("send", "{to: 1}"), "args: '{to: 1}' is not JSON"),
        (("send", "[1]"), "args"),
        (("send", "--queue", "no spaces"), "queue: 'no spaces'"),
        (("send", "--priority", "101"), "priority: '101'"),
        (("send", "--priority", "urgent"), "priority: 'urgent'"),
        (("send", '{"n": NaN}'), "JSON has no NaN"),
        (("send", "--run-after", "soon"), "run_after: 'soon' is not valid; use seconds"),
        (("send", "--run-after", "99999999999999 years"), "run_after: '99999999999999 years'"),
        (("send", "--retries", "-1"), "retries: '-1'"),
        (("",), "task: ''"),
    ],
)
def test_bad_input_is_named_in_one_line(run: Run, look: Look, arguments: tuple[str, ...], named: str) -> None:
    ran = run("enqueue", *arguments)

    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert named in ran.err
    assert look.live() == 0


def test_time_limits_are_intervals(run: Run, look: Look) -> None:
    options = ("--timeout", "1 minute", "--expires", "2h", "--total-timeout", "86400", "--json")
    (printed,) = run("enqueue", "send", *options).lines

    assert look.job(printed["id"])["terms"] == {"timeout": 60, "expires_after": 7200, "total_timeout": 86400}


@pytest.mark.parametrize("option", ["run-after", "timeout", "soft-timeout", "expires", "total-timeout"])
def test_an_interval_that_cannot_be_read_is_named(run: Run, option: str) -> None:
    failed = run("enqueue", "send", f"--{option}", "soon")

    assert failed.code == 2
    assert f"{option.replace('-', '_')}: 'soon' is not valid; use seconds, '5 minutes' or 2h" in failed.err
