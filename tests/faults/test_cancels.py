"""T23, T25: jobs are cancelled whose workers are killed, or stand still."""

import signal
from collections.abc import Callable

import pytest

from tests.faults.fleet import Fleet
from tests.looking import Look
from tests.waiting import until

Enqueue = Callable[..., list[int]]


def _is_cancelled(look: Look, id: int) -> bool:
    return look.rows("select state::text, reason::text from jobs where id = %s", id) == [
        {"state": "cancelled", "reason": "user_requested"}
    ]


def _starts(look: Look, id: int) -> int:
    return int(look.value("select count(*) from audit.run where job_id = %s", id))


@pytest.mark.parametrize("asked", ["before it is killed", "before it is rescued"])
def test_a_request_outlives_the_worker_of_the_job(fleet: Fleet, look: Look, enqueue: Enqueue, asked: str) -> None:
    victim = fleet.start(concurrency=1)
    fleet.listening(1)
    (id,) = enqueue("in_thread", 1, seconds=60, options={"retry": 5})
    until(lambda: _starts(look, id), "it runs")
    if asked == "before it is killed":
        assert look.value("select cancel(%s)", id) == "asked"
    victim.kill()
    victim.wait()
    if asked == "before it is rescued":
        assert look.value("select cancel(%s)", id) == "asked"
    fleet.start(concurrency=1)

    until(lambda: _is_cancelled(look, id), "it is cancelled", within=20)
    assert _starts(look, id) == 1


@pytest.mark.parametrize("after", [None, "1 s"], ids=["now", "after a second"])
def test_a_job_whose_worker_stands_still_is_ended_by_force(fleet: Fleet, look: Look, enqueue: Enqueue, after: str | None) -> None:
    still = fleet.start(concurrency=1, lease=60.0)
    fleet.listening(1)
    (id,) = enqueue("slow", 1, seconds=600)
    until(lambda: _starts(look, id), "it runs")
    still.send_signal(signal.SIGSTOP)
    fleet.start(concurrency=1, lease=60.0)
    fleet.listening(2)

    if after is None:
        assert look.value("select cancel(%s, force => true)", id) == "fenced"
    else:
        assert look.value("select cancel(%s, force_after => %s::interval)", id, after) == "asked"
    until(lambda: _is_cancelled(look, id), "it is cancelled", within=10)
    still.send_signal(signal.SIGCONT)
    until(lambda: "was ended by force; its run is dropped" in fleet.log(still), "its worker drops the run")
    assert _starts(look, id) == 1
