"""Probes over HTTP."""

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from pgqueue.errors import ConfigurationError
from pgqueue.probes import server
from pgqueue.probes.address import Address
from pgqueue.probes.seen import Seen
from pgqueue.probes.server import Probes
from pgqueue.worker.status import Status

from ..waiting import until

READY = Status("ready", connected=True, wake_mode="notify")


class Worker:
    """What the probes look at."""

    seen = Seen([READY])

    def look(self) -> Seen:
        return self.seen


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def http(worker: Worker) -> Iterator[httpx.Client]:
    with (
        Probes(Address(0), lambda: worker.look(), 60) as probes,
        httpx.Client(base_url=f"http://127.0.0.1:{probes.port}") as client,
    ):
        yield client


def test_each_path_says_how_things_are(worker: Worker, http: httpx.Client) -> None:
    assert [http.get(path).status_code for path in ("/live", "/ready", "/metrics", "/")] == [200, 200, 200, 404]
    worker.seen = Seen([Status("draining")])
    answer = http.get("/ready?verbose=1")
    assert (answer.status_code, answer.json()) == (503, {"ok": False, "problems": ["process 1 is draining"]})
    assert http.get("/live").status_code == 200
    worker.seen = Seen([Status("ready", claimed=61)])
    assert "no progress for 61 s" in http.get("/live").text
    assert http.get("/live").status_code == 503


def test_figures_are_text_of_prometheus(http: httpx.Client) -> None:
    answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    from prometheus_client.parser import text_string_to_metric_families

    families = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"pgqueue_process_state", "pgqueue_process_jobs_done", "pgqueue_process_connected"} <= families


def test_a_request_without_a_body_is_answered_and_a_post_is_not(http: httpx.Client) -> None:
    answer = http.head("/ready")
    assert (answer.status_code, answer.content) == (200, b"")
    assert http.post("/ready").status_code == 501
    assert "Python" not in answer.headers["server"]


def test_only_this_machine_may_ask_unless_it_is_told() -> None:
    assert Address(1).host == "127.0.0.1"
    with Probes(Address(0, "::1"), Worker().look, 60) as probes:
        assert httpx.get(f"http://[::1]:{probes.port}/live").status_code == 200


@pytest.mark.parametrize("given", [Address(70_000), Address(1, "256.1.1.1")])
def test_where_it_cannot_listen_is_said(given: Address) -> None:
    with pytest.raises(
        ConfigurationError, match=f"probe_port: {given.host}:{given.port} is not valid: .*give another --probe-port"
    ):
        Probes(given, Worker().look, 60)


def test_a_port_in_use_is_said() -> None:
    with Probes(Address(0), Worker().look, 60) as probes, pytest.raises(ConfigurationError, match="in use"):
        Probes(Address(probes.port), Worker().look, 60)


def test_clients_that_hang_do_not_keep_others_out_for_long(
    worker: Worker, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server._Handler, "timeout", 0.3)
    port = http.base_url.port or 0
    hanging = [socket.create_connection(("127.0.0.1", port)) for _ in range(server.MOST_AT_ONCE)]
    for one in hanging:
        one.settimeout(5)
        assert one.recv(1) == b""  # closed by the server
        one.close()
    assert http.get("/live").status_code == 200
    until(lambda: not [one for one in threading.enumerate() if "process_request_thread" in one.name], "the threads to end")


def test_a_look_that_fails_is_one_request_that_fails(worker: Worker, http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Seen:
        raise RuntimeError("no")

    monkeypatch.setattr(worker, "look", fails)
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("/live")
    monkeypatch.undo()
    assert http.get("/live").status_code == 200


@pytest.mark.parametrize("host", ["", " ", "\0", "a" * 300, "a..b", "\udcff"])
def test_a_host_that_is_none_is_refused_and_empty_is_not_every_address(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"probe_(host|port): .* is not valid") as refused:
        Probes(Address(0, host), lambda: Seen([READY]), 60)
    assert len(str(refused.value)) < 500
