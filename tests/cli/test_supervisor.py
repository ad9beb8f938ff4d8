"""--processes N: processes are replaced when they die, and stop together."""

import os
import signal

import psutil
import pytest

from ..looking import Look
from ..waiting import until
from .conftest import Process, Start
from .handler_start import wait_until_started

APP = "tests.cli.jobs:app"


def start_two(start: Start, look: Look, *options: str) -> Process:
    """A supervisor whose two worker processes are registered."""
    supervisor = start("pgqueue.worker", APP, "--processes", "2", *options)
    until(lambda: look.value("select count(*) from worker") == 2, "two workers are registered")
    return supervisor


def alive(look: Look) -> set[int]:
    """Process ids of workers that run."""
    return {row["pid"] for row in look.rows("select pid from worker") if psutil.pid_exists(row["pid"])}


def start_job(look: Look, seconds: float) -> int:
    """A job that sleeps; its handler has started."""
    id: int = look.value("select enqueue('sleep', jsonb_build_object('seconds', %s::float8))", seconds)
    wait_until_started(look, id)
    return id


def test_a_killed_process_is_replaced_and_processes_are_told_apart_by_name(start: Start, look: Look) -> None:
    supervisor = start_two(start, look, "--name", "mailer")
    assert {row["name"] for row in look.rows("select name from worker")} == {"mailer-1", "mailer-2"}
    before = alive(look)
    victim = min(before)

    os.kill(victim, signal.SIGKILL)

    until(lambda: len(alive(look)) == 2 and victim not in alive(look), "another process has taken its place")
    assert len(before & alive(look)) == 1
    assert "ended (signal SIGKILL)" in supervisor.log()
    supervisor.signal(signal.SIGTERM)
    assert supervisor.ends() == 0


def test_a_process_that_ends_itself_is_replaced(start: Start, look: Look) -> None:
    supervisor = start_two(start, look)
    before = alive(look)
    look.value("select enqueue('die')")

    supervisor.says("ended (exit code 3); another starts in")
    until(lambda: len(alive(look) - before) >= 1, "another process has taken its place")


def test_sigterm_lets_jobs_finish_and_stops_all(start: Start, look: Look) -> None:
    supervisor = start_two(start, look, "--grace", "20")
    children = alive(look)
    id = start_job(look, 1.5)

    supervisor.signal(signal.SIGTERM)

    assert supervisor.ends() == 0
    assert look.state(id) == "succeeded"
    assert look.value("select count(*) from worker") == 0
    assert not any(psutil.pid_exists(child) for child in children)


def test_what_does_not_end_within_the_grace_is_given_back(start: Start, look: Look) -> None:
    supervisor = start_two(start, look, "--grace", "0.5")
    id = start_job(look, 60)

    supervisor.signal(signal.SIGTERM)

    assert supervisor.ends() == 0, "a process had to be killed, or the job came to its end"
    assert look.state(id) == "ready"


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_all_at_once(start: Start, look: Look, second: signal.Signals) -> None:
    supervisor = start_two(start, look, "--grace", "60")
    children = alive(look)
    start_job(look, 60)
    supervisor.signal(signal.SIGTERM)
    supervisor.says("stopping 2 worker processes")

    supervisor.signal(second)

    assert supervisor.ends() == 128 + second
    assert not any(psutil.pid_exists(child) for child in children)


def test_ctrl_c_in_a_terminal_counts_once(start: Start, look: Look) -> None:
    supervisor = start_two(start, look, "--grace", "20")
    id = start_job(look, 1.5)

    supervisor.ctrl_c()

    assert supervisor.ends() == 0
    assert look.state(id) == "succeeded"
    assert "exiting at once" not in supervisor.log()


def test_processes_end_gracefully_when_their_supervisor_is_gone(start: Start, look: Look) -> None:
    supervisor = start_two(start, look)
    children = alive(look)
    id = start_job(look, 1.5)

    supervisor.signal(signal.SIGKILL)

    until(lambda: not any(psutil.pid_exists(child) for child in children), "no worker process is left")
    assert look.state(id) == "succeeded"


def test_a_burst_ends_when_nothing_is_left(start: Start, look: Look) -> None:
    ids = [look.value("select enqueue('pid')") for _ in range(20)]

    assert start("pgqueue.worker", APP, "--processes", "2", "--burst", "--name", "sweeper").ends() == 0

    assert {look.state(id) for id in ids} == {"succeeded"}


def test_it_does_not_go_on_for_ever_when_nothing_can_work(start: Start, look: Look) -> None:
    look.value("drop schema pgqueue cascade")

    supervisor = start("pgqueue.worker", APP, "--processes", "2")

    assert supervisor.ends() == 2
    assert "pgqueue migrate" in supervisor.log()
