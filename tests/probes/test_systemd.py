"""What systemd is told, as a socket of its kind hears it."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from pgqueue.probes import systemd
from pgqueue.probes.seen import Seen
from pgqueue.probes.systemd import Systemd, of_environment
from pgqueue.worker.status import Status

READY = Status("ready", connected=True, wake_mode="notify")
UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "pgqueue-worker.service"


class Worker:
    """What it looks at."""

    seen = Seen([Status("booting")], 2)

    def look(self) -> Seen:
        return self.seen


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket that hears what systemd would."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(10)
        yield heard


def environment(manager: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.getsockname(), "PATH": "/bin", **more}


def heard(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().splitlines()


def test_it_hears_that_all_are_ready_then_that_they_live_and_that_they_end(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "EVERY", 0.05)
    worker = Worker()
    its_environment = environment(manager, WATCHDOG_USEC="3000000", WATCHDOG_PID=str(os.getpid()))
    told = of_environment(worker.look, 60, its_environment)
    assert told is not None
    assert its_environment == {"PATH": "/bin"}  # children do not tell
    with told:
        assert heard(manager) == ["WATCHDOG=1", "STATUS=0 of 2 processes ready, 0 jobs run"]
        worker.seen = Seen([READY, Status("ready", running=(1, 2), connected=True, wake_mode="notify")], 2)
        while (lines := heard(manager)) == ["WATCHDOG=1"]:
            pass
        assert lines == ["READY=1", "WATCHDOG=1", "STATUS=2 of 2 processes ready, 2 jobs run"]
        worker.seen = Seen([Status("draining", running=(1,))] * 2, 2)
        while (lines := heard(manager)) == ["WATCHDOG=1"]:
            pass
        assert lines == ["STOPPING=1", "WATCHDOG=1", "EXTEND_TIMEOUT_USEC=15000000", "STATUS=ending: 2 jobs still run"]
    told.send(["the last"])
    said = []
    while "the last" not in said:
        said += heard(manager)
    assert "READY=1" not in said


def test_processes_that_are_stuck_give_no_sign_of_life_and_get_no_more_time() -> None:
    told = Systemd("/nowhere", 3.0, Worker().look, 60)
    assert told.lines(Seen([READY])) == ["READY=1", "WATCHDOG=1", "STATUS=1 of 1 processes ready, 0 jobs run"]
    assert told.lines(Seen([READY])) == ["WATCHDOG=1"]
    assert told.lines(Seen([Status("ready", turned=61)])) == []
    assert told.lines(Seen([Status("draining", turned=61)])) == ["STOPPING=1", "STATUS=ending: 0 jobs still run"]


def test_without_a_watchdog_it_hears_no_sign_of_life(manager: socket.socket) -> None:
    for given in ({}, {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "0"}):
        told = of_environment(lambda: Seen([READY]), 60, environment(manager, **given))
        assert told is not None
        assert "WATCHDOG=1" not in told.lines(Seen([READY]))


@pytest.mark.parametrize("path", [None, "", "relative"])
def test_without_a_socket_nobody_is_told(path: str | None) -> None:
    assert of_environment(Worker().look, 60, {} if path is None else {"NOTIFY_SOCKET": path}) is None


def test_a_socket_may_have_an_abstract_name() -> None:
    name = f"pgqueue-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard_by:
        heard_by.bind(f"\0{name}")
        heard_by.settimeout(10)
        Systemd(f"@{name}", None, Worker().look, 60).send(["READY=1"])
        assert heard_by.recv(100) == b"READY=1"


def test_a_manager_that_is_away_is_no_failure() -> None:
    Systemd("/nowhere/at/all", None, Worker().look, 60).send(["READY=1"])


def test_the_unit_leaves_the_worker_the_time_that_it_takes() -> None:
    unit = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and not line.startswith("#"))
    assert (unit["Type"], unit["NotifyAccess"], unit["KillMode"]) == ("notify", "main", "mixed")
    grace = float(unit["ExecStart"].split("--grace ")[1].split()[0])
    assert float(unit["TimeoutStopSec"]) > grace + 10
    assert "75" in unit["RestartForceExitStatus"]
    assert "2" in unit["RestartPreventExitStatus"].split()


@pytest.mark.skipif(which("systemd-analyze") is None, reason="systemd-analyze is not there")
def test_systemd_reads_the_unit_without_a_complaint(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    text = UNIT.read_text()
    start = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    unit.write_text(text.replace(start.split("=", 1)[1].split()[0], "/bin/true"))  # the program is not there
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, [line for line in done.stderr.splitlines() if UNIT.name in line]) == (0, [])
