"""`pgqueue serve` as a process."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from examples.index_report import program
from pgqueue.api import server
from tests.cli.conftest import Process
from tests.waiting import until

CHECKOUT = Path(__file__).parents[2]
Serve = Callable[..., "Served"]
CHUNKED = b"POST /api/v1/jobs HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"


class Served:
    """A server and its URL."""

    def __init__(self, process: Process) -> None:
        self.process = process
        found = until(lambda: re.findall(r"serving (http://\S+) of", process.log()), "it serves")
        self.url = found[0]
        self.client = httpx.Client(base_url=self.url, timeout=20)
        until(self._is_live, "it answers")

    def _is_live(self) -> bool:
        try:
            return self.client.get("/health/live").status_code == 200
        except httpx.ConnectError:
            return False

    def lines(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.process.log().splitlines()]


@pytest.fixture
def serve(database_url: str, tmp_path: Path) -> Iterator[Serve]:
    """Starts `pgqueue serve` on any free port."""
    started: list[Served] = []
    environment = os.environ | {"PGQUEUE_DATABASE_URL": database_url}

    def start(*arguments: str) -> Served:
        command = ["pgqueue", "serve", "--port", "0", *arguments]
        started.append(Served(Process(command, environment, tmp_path / f"log{len(started)}")))
        return started[-1]

    yield start
    for one in started:
        one.client.close()
        one.process.clean_up()


def _run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pgqueue", "serve", *arguments]
    return subprocess.run(
        command, cwd=CHECKOUT, env=os.environ | environment, text=True, capture_output=True, check=False, timeout=60
    )


def test_it_serves_an_app_and_ends_with_sigterm_as_done(serve: Serve) -> None:
    served = serve("tests.cli.jobs:app")
    tasks = served.client.get("/api/v1/capabilities").json()["tasks"]
    assert "sleep" in tasks
    served.process.signal(signal.SIGTERM)
    assert served.process.ends(10) == 0


def test_without_an_app_any_install_is_served(serve: Serve) -> None:
    served = serve()
    assert served.client.get("/api/v1/capabilities").json()["tasks"] == []
    served.process.ctrl_c()
    assert served.process.ends(10) == 0


def test_no_answer_waits_for_an_acknowledgement_whatever_the_event_loop() -> None:
    """Without uvloop each answer over a kept connection took 40 ms more."""
    with server._listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_request_is_logged_as_json_and_health_is_not(serve: Serve) -> None:
    served = serve()
    served.client.get("/health/ready")
    served.client.get("/metrics")
    served.client.get("/api/v1/jobs/7?token=abc", headers={"X-Request-ID": "r-1"})
    served.client.get("/api/v1/nothing?token=abc")
    found = until(lambda: [line for line in served.lines() if line["logger"] == "pgqueue.access"][1:], "two lines")
    assert len(found) == 1
    lines = [line for line in served.lines() if line["logger"] == "pgqueue.access"]
    assert [line["message"] for line in lines] == ["GET /api/v1/jobs/{job_id} 404", "GET (no such path) 404"]
    assert lines[0]["request_id"] == "r-1"
    assert "abc" not in served.process.log()


def test_a_request_that_runs_is_answered_before_it_ends(
    serve: Serve, connect: Callable[..., psycopg.Connection[Any]], connection: psycopg.Connection[Any]
) -> None:
    served = serve()
    served.client.get("/api/v1/jobs/1")
    holds = connect(autocommit=False)
    holds.execute("lock table job in access exclusive mode")
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(httpx.get(f"{served.url}/api/v1/jobs/1", timeout=20)))
    asking.start()
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    until(lambda: connection.execute(waits).fetchone() == (1,), "the request waits for the lock")
    served.process.signal(signal.SIGTERM)
    served.process.says("stopping")
    assert not answers
    holds.rollback()
    asking.join(20)
    assert answers[0].status_code == 404
    assert served.process.ends(10) == 0


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nX: ", b"GET /", CHUNKED, CHUNKED + b"0\r\nX: "])
def test_a_head_that_does_not_end_is_refused(serve: Serve, start: bytes) -> None:
    served = serve()
    url = httpx.URL(served.url)
    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        connection.sendall(start)
        with suppress(ConnectionError):
            for _ in range(64):
                connection.sendall(b"a" * 2**16)
        with suppress(ConnectionError):
            while connection.recv(2**16):
                pass
    assert served.client.get("/api/v1/jobs", headers={"X": "a" * 2**15}).status_code == 200
    body = {"task": "t", "args": {"x": "y" * 2**19}}
    chunks = (json.dumps(body)[at : at + 999].encode() for at in range(0, 2**20, 999))
    sent = served.client.post("/api/v1/jobs", content=chunks, headers={"Content-Type": "application/json"})
    assert sent.status_code in (201, 422), sent.text


def test_a_port_in_use_is_one_line_and_exit_code_2(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = _run("--port", port, PGQUEUE_DATABASE_URL=database_url)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert f"port {port}: Address already in use" in ended.stderr


def test_no_database_url_is_exit_code_2() -> None:
    ended = _run("--port", "0", PGQUEUE_DATABASE_URL="")
    assert ended.returncode == 2
    assert "no database URL" in ended.stderr


def test_without_the_extra_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['fastapi'] = None; from pgqueue.cli import main; main(['serve'])"
    ended = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=False, cwd=CHECKOUT)
    assert ended.returncode == 2
    assert ended.stderr == (
        "pgqueue: serve: API and dashboard need fastapi, which is not installed; run: pip install 'pgqueue-native[api]'\n"
    )


def test_what_the_demo_says_at_its_end_works_as_printed(database_url: str) -> None:
    """But for the port."""
    printed = (CHECKOUT / "examples/index_source.py").read_text()
    found = re.search(r"\[bold\]\{program\('pgqueue'\)\} (serve [^\[]+)\[/bold\]", printed)
    assert found
    command = [*shlex.split(program("pgqueue")), *shlex.split(found[1]), "--port", "0"]
    process = subprocess.Popen(
        command, cwd=CHECKOUT, env=os.environ | {"PGQUEUE_DATABASE_URL": database_url}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = re.search(r"serving (http://\S+) of", process.stdout.readline())
        assert url
        client = httpx.Client(base_url=url[1], transport=httpx.HTTPTransport(retries=5))
        assert client.get("/api/v1/capabilities").json()["tasks"][0] == "index_file"
        assert client.get("/api/v1/stats").status_code == 200
        client.close()
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close() if process.stdout else None


def test_several_installs_are_served_below_their_names(serve: Serve) -> None:
    served = serve("tests.cli.jobs:app", "--schemas", "pg*")
    assert "sleep" in served.client.get("/pgqueue/api/v1/capabilities").json()["tasks"]
    assert "/pgqueue/" in served.client.get("/").text
    served.process.signal(signal.SIGTERM)
    assert served.process.ends(10) == 0
