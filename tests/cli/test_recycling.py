"""A worker process that loses its slots to handlers which do not end makes room for another one."""

import math
import signal
from dataclasses import replace
from typing import Any

import psutil
import pytest

from pgqueue.cli.recycling import read_recycling
from pgqueue.errors import ConfigurationError, InvalidArgument
from pgqueue.worker import WorkerOptions

from ..looking import Look
from ..waiting import until
from .conftest import Start

APP = "tests.cli.unstoppable:app"


def _hang(look: Look, task: str = "hold_thread") -> int:
    """A job whose handler does not end after its timeout; it is not retried."""
    with look.connection.transaction():
        id: int = look.value("select enqueue(%s, retries => 0)", task)
        look.rows("""update job set terms = '{"timeout": 0.2}' where id = %s""", id)
    return id


@pytest.mark.parametrize("task", ["hold_thread", "swallow"])
def test_its_exit_code_is_75_and_one_line_says_why(start: Start, look: Look, task: str) -> None:
    id = _hang(look, task)
    waiting = look.value("select enqueue('quick', run_after => '1 h')")
    worker = start("pgqueue.worker", APP, "--concurrency", "1", "--timeout-grace", "0.2")
    assert worker.ends() == 75
    assert "exit code 75: too many handlers did not end after their timeout; start another worker" in worker.log()
    assert "1 of 1 slots abandoned" in worker.log()
    assert (look.state(id), look.state(waiting)) == ("failed", "scheduled")
    assert look.job(id)["reason"] == "timeout"
    assert look.rows("select * from worker") == [], "it has left"


def test_a_supervisor_starts_another_process_at_once_and_takes_it_for_no_failure(start: Start, look: Look) -> None:
    supervisor = start("pgqueue.worker", APP, "--processes", "2", "--concurrency", "1", "--timeout-grace", "0.2")
    until(lambda: look.value("select count(*) from worker") == 2, "two workers")
    before = {row["pid"] for row in look.rows("select pid from worker")}
    id = _hang(look)
    until(lambda: look.state(id) == "failed", "the timeout")
    until(lambda: not all(map(psutil.pid_exists, before)), "the end of its process")
    until(lambda: look.value("select count(*) from worker") == 2, "another process")
    after = {row["pid"] for row in look.rows("select pid from worker")}
    assert len(before & after) == 1, "the other process works on"
    assert "ended because too many of its handlers do not end; another starts at once" in supervisor.log()
    assert "another starts in" not in supervisor.log(), "it is not counted as a crash"
    supervisor.signal(signal.SIGTERM)
    assert supervisor.ends() == 0


def test_a_burst_ends_although_a_handler_does_not(start: Start, look: Look) -> None:
    id = _hang(look)
    worker = start("pgqueue.worker", APP, "--burst", "--concurrency", "8")
    assert worker.ends() == 0
    assert look.state(id) == "failed"
    assert "thread pgqueue-handler" in worker.log()


def test_a_grace_below_zero_is_refused(start: Start) -> None:
    worker = start("pgqueue.worker", APP, "--timeout-grace", "-1")
    assert worker.ends() == 2
    assert "timeout_grace: -1.0 is not valid; use 0 or more seconds" in worker.log()


@pytest.mark.parametrize("seconds", [math.nan, math.inf, 1e308, -1.0, 31_536_001.0])
def test_a_grace_that_no_timer_can_wait_for_is_refused(seconds: float) -> None:
    """With NaN a worker that stops would never be killed."""
    for field in ("grace", "timeout_grace"):
        given: dict[str, Any] = {field: seconds}
        with pytest.raises(ConfigurationError, match=f"{field}: .* is not valid; use 0 or more seconds"):
            replace(WorkerOptions(), **given)


def test_an_empty_boot_timeout_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="boot_timeout: '' is not valid"):
        read_recycling(None, None, None, None, "")
