"""Whether processes live, and whether they are ready, by what they say of themselves."""

import time

import pytest

from pgqueue.probes.exposition import exposition
from pgqueue.probes.seen import Published, Seen
from pgqueue.worker.status import Status

READY = Status("ready", connected=True, wake_mode="notify")
BOOTING = Status("booting")
DRAINING = Status("draining", connected=True, wake_mode="notify")


@pytest.mark.parametrize(
    ("statuses", "wanted", "why"),
    [
        ([READY], 1, ""),
        ([READY, READY, BOOTING, DRAINING], 2, ""),  # one is being replaced
        ([BOOTING], 1, "process 1 is booting"),
        ([READY, BOOTING], 2, "1 of 2 processes are ready"),
        ([], 0, "0 of 0"),
        ([DRAINING], 1, "process 1 is draining"),
        ([Status("ready", connected=False, wake_mode="notify")], 1, "no connection"),
        ([Status("ready", connected=True, wake_mode="starting")], 1, "how it is woken"),
        ([Status("ready", connected=True, wake_mode="polling: a pooler")], 1, ""),
    ],
)
def test_they_are_ready_when_as_many_are_as_are_wanted(statuses: list[Status], wanted: int, why: str) -> None:
    assert why in " ".join(Seen(statuses, wanted).unready())
    assert bool(why) == bool(Seen(statuses, wanted).unready())


def test_an_agent_is_ready_without_processes_and_ends_only_by_itself() -> None:
    assert Seen([], 0, False).unready() == []
    assert Seen([], 1, False).unready() == ["0 of 1 processes are ready"]
    assert Seen([], 0, True).unready() == ["all processes end"]
    assert not Seen([DRAINING], 0, False).is_ending  # else systemd would end an agent whose pool is paused


BLOCKED = Status("ready", turned=61, connected=True)
HUNG = Status("ready", claimed=61, connected=True)


@pytest.mark.parametrize(
    ("statuses", "is_stuck"),
    [
        ([BLOCKED], True),
        ([HUNG], True),
        ([HUNG, BLOCKED], True),
        ([HUNG, READY], False),  # its supervisor replaces it
        ([], False),
        ([Status("booting", claimed=500, turned=500)], False),
        ([Status("draining", claimed=500)], False),  # its handlers take their time
        ([Status("draining", turned=61)], True),
        ([Status("ready", turned=59, claimed=59)], False),
        ([Status("ready", connected=False)], False),  # the database is away
    ],
)
def test_they_are_stuck_when_none_of_them_goes_on(statuses: list[Status], is_stuck: bool) -> None:
    assert bool(Seen(statuses, 1).stuck(60)) is is_stuck


def test_what_a_loop_has_published_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    published = Published()
    published.put([READY], 1)
    assert published() == Seen([READY], 1)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 100)
    assert published().stuck(60)
    published.put([READY], 1)
    assert not published().stuck(60)


def test_figures_are_those_of_each_process() -> None:
    busy = Status(
        "ready",
        "b" * 36,
        running=(1, 2),
        done=1_234_567,
        failed=3,
        lag=0.25,
        memory=96_000_000,
        connected=True,
        wake_mode="notify",
    )
    lines = exposition(Seen([busy, BOOTING], 2)).splitlines()
    assert 'pgqueue_process_state{process="1",state="ready"} 1' in lines
    assert 'pgqueue_process_state{process="2",state="ready"} 0' in lines
    assert 'pgqueue_process_jobs_done_total{process="1"} 1234567' in lines
    assert 'pgqueue_process_loop_lag_seconds{process="1"} 0.250000' in lines
    assert 'pgqueue_process_running_jobs{process="1"} 2' in lines
    assert 'pgqueue_process_resident_memory_bytes{process="1"} 96000000' in lines
    assert not any(line.startswith('pgqueue_process_resident_memory_bytes{process="2"}') for line in lines), "not known yet"
    assert "pgqueue_processes_wanted 2" in lines
    helped = [line.split()[2] for line in lines if line.startswith("# HELP")]
    assert len(helped) == len(set(helped)) == sum(line.startswith("# TYPE") for line in lines)
