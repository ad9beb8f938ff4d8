"""pgqueue agent --probe-port: probes of an agent and its workers; and what systemd is told."""

import signal
import socket

import httpx

from ..probing import code, until_heard
from ..waiting import until
from .agents import Pool


def test_an_agent_is_ready_when_its_workers_are_and_stops_with_its_jobs(manager: socket.socket, pool: Pool, port: int) -> None:
    pool.make(1)
    agent = pool.agent(1, "--probe-port", str(port), "--grace", "30")
    until_heard(manager, "READY=1")
    assert len(pool.served()) == 1
    assert (code(port, "/ready"), code(port, "/live")) == (200, 200)
    said = metrics(port)
    assert "pgqueue_processes_wanted 1" in said
    assert 'pgqueue_process_state{process="1",state="ready"} 1' in said
    pool.start_job(1.0)

    agent.signal(signal.SIGTERM)

    until(lambda: code(port, "/ready") == 503, "that it ends")
    until_heard(manager, "STOPPING=1")
    assert agent.ends() == 0


def test_an_agent_whose_pool_is_paused_is_ready_and_does_not_stop(manager: socket.socket, pool: Pool, port: int) -> None:
    pool.make(1)
    pool.agent(1, "--probe-port", str(port))
    until_heard(manager, "READY=1")

    pool.look.value("select pause_pool('mail')")

    until(lambda: "pgqueue_processes_wanted 0" in metrics(port), "that it wants none")
    until(lambda: "state=" not in metrics(port), "that its worker has ended")
    assert code(port, "/ready") == 200
    assert not any("STOPPING" in line for line in _told(manager))


def metrics(port: int) -> str:
    """What Prometheus gets."""
    return httpx.get(f"http://127.0.0.1:{port}/metrics").text


def _told(manager: socket.socket) -> list[str]:
    """What systemd has heard so far, without waiting for more."""
    manager.settimeout(0.01)
    lines: list[str] = []
    try:
        while True:
            lines += manager.recv(4096).decode().splitlines()
    except TimeoutError:
        manager.settimeout(30)
        return lines


def test_an_agent_is_not_ready_before_it_is_registered(pool: Pool, port: int) -> None:
    pool.make(0)
    with pool.look.connection.transaction():
        pool.look.connection.execute("lock agent in access exclusive mode")
        pool.agent(1, "--probe-port", str(port))
        until(lambda: code(port, "/ready") == 503, "an answer")
        assert code(port, "/live") == 200
    until(lambda: code(port, "/ready") == 200, "that it is there")


def test_a_port_that_is_taken_ends_an_agent_with_one_line(pool: Pool, port: int) -> None:
    pool.make(1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        agent = pool.agent(1, "--probe-port", str(port))
        assert agent.ends() == 2
    assert f"probe_port: 127.0.0.1:{port} is not valid" in agent.log()
    assert "Traceback" not in agent.log()
