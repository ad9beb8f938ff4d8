"""pgqueue worker --probe-port: probes of one process and of a supervisor; and what systemd is told."""

import signal
import socket
from pathlib import Path

import httpx
import pytest

from pgqueue.cli.worker import parse_processes

from ..looking import Look
from ..probing import code, until_heard
from ..waiting import until
from .conftest import Process, Start, run_here
from .handler_start import wait_until_started

APP = "tests.cli.jobs:app"


@pytest.mark.parametrize("processes", ["1", "2"])
def test_it_is_ready_when_all_have_claimed_and_no_longer_when_it_is_to_end(
    manager: socket.socket, start: Start, look: Look, port: int, processes: str
) -> None:
    worker = start("pgqueue.worker", APP, "--processes", processes, "--probe-port", port, "--grace", "30")
    until(lambda: code(port, "/ready") == 200, "readiness")
    until_heard(manager, "READY=1")
    assert look.value("select count(*) from worker") == int(processes)
    assert code(port, "/live") == 200
    job = look.value("select enqueue('sleep', jsonb_build_object('seconds', 2.5))")
    wait_until_started(look, job)
    said = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert f'pgqueue_process_state{{process="{processes}",state="ready"}} 1' in said
    memory = [float(line.split()[1]) for line in said.splitlines() if line.startswith("pgqueue_process_resident_memory_bytes{")]
    assert len(memory) == int(processes)
    assert min(memory) > 10_000_000

    worker.signal(signal.SIGTERM)

    until(lambda: code(port, "/ready") == 503, "that it ends")
    assert look.state(job) == "running"
    assert code(port, "/live") == 200
    until_heard(manager, "STOPPING=1")
    assert worker.ends() == 0
    assert look.state(job) == "succeeded"


def children(process: Process) -> str:
    """The environment of the processes of a supervisor."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return "".join(Path(f"/proc/{child}/environ").read_text() for child in listed)


def test_processes_of_a_supervisor_do_not_tell_systemd(manager: socket.socket, start: Start, look: Look) -> None:
    supervisor = start("pgqueue.worker", APP, "--processes", "2")
    until_heard(manager, "READY=1")
    assert "PGQUEUE_LEASE" in children(supervisor)
    assert "NOTIFY_SOCKET" not in children(supervisor)


def test_a_port_that_is_taken_ends_it_with_one_line(start: Start, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        worker = start("pgqueue", "worker", APP, "--probe-port", port)
        assert worker.ends() == 2
    assert f"probe_port: 127.0.0.1:{port} is not valid" in worker.log()
    assert "Traceback" not in worker.log()


@pytest.mark.parametrize("given", ["0", "1001", "many", "-1", "1.5", "²"])
def test_a_number_of_processes_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], given: str) -> None:
    ran = run_here(capsys, "worker", APP, "--processes", given)
    assert (ran.code, ran.err) == (2, f"pgqueue: processes: {given!r} is not valid; use 1 to 1000, or auto\n")


def test_auto_is_one_process_per_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parse_processes.__globals__, "whole_cores", lambda: 3)
    assert parse_processes("auto") == 3
