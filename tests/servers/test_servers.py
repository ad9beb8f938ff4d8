"""Web servers with several processes: each has connections of its own, enqueues, hears of results, and ends well."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.looking import Look
from tests.waiting import PATIENCE, auntil
from tests.worker.conftest import working

ROOT = Path(__file__).parents[2]
SOCKET = "http"  # its name; the directory is that of the test
GUNICORN = ["gunicorn", "--workers", "3", "--bind", f"unix:{SOCKET}", "--no-control-socket", "--log-level", "warning"]
UVICORN = ["uvicorn", "--workers", "3", "--uds", SOCKET, "--log-level", "warning"]
OURS = "select count(*) from pg_stat_activity where datname = current_database() and application_name = any (%s)"


@pytest.fixture
def look(connection: psycopg.Connection[Any]) -> Look:
    """A look at the database beside the server."""
    return Look(connection)


@pytest.fixture
async def worker(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A worker that runs the jobs of the shop."""
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    monkeypatch.delitem(sys.modules, "tests.servers.shop", raising=False)
    from tests.servers.shop import app

    async with working(app):
        yield
    await app.aclose()
    app.close()
    del sys.modules["tests.servers.shop"]


@asynccontextmanager
async def serving(directory: Path, *command: str, **variables: str) -> AsyncIterator[Process]:
    """A server, whose errors are those of the test; it is stopped as an init system does."""
    log = directory / "log"
    with log.open("wb") as output:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, cwd=directory, env=environment, stdout=output, stderr=output
        )
    try:
        yield server
    finally:
        server.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            code = await server.wait()
    said = log.read_text()
    assert code in (0, -signal.SIGTERM), said
    assert "Traceback" not in said, said


@asynccontextmanager
async def client(directory: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the server, once that is there."""
    limits = httpx.Limits(max_keepalive_connections=0)  # each request to whichever process takes it
    transport = httpx.AsyncHTTPTransport(uds=str(directory / SOCKET), limits=limits)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop", timeout=PATIENCE) as client:
        await auntil(lambda: (directory / SOCKET).exists(), "the server's socket")
        yield client


async def _ask_each(client: httpx.AsyncClient, processes: int) -> dict[int, set[int]]:
    """Ask until so many processes have answered; the backends that each of them has used."""
    backends: dict[int, set[int]] = {}
    async with asyncio.timeout(PATIENCE):
        while len(backends) < processes:
            answers = await asyncio.gather(*(client.get(f"/{number}") for number in range(6)), return_exceptions=True)
            for number, answer in enumerate(answers):
                if isinstance(answer, httpx.TransportError):
                    continue  # it has bound its socket and does not listen yet
                assert isinstance(answer, httpx.Response)
                assert answer.status_code == 200, answer.text
                said = answer.json()
                assert said["result"] == 2 * number
                backends.setdefault(said["pid"], set()).add(said["backend"])
    return backends


def _assert_apart(backends: dict[int, set[int]], server: Process) -> None:
    used = [backend for each in backends.values() for backend in each]
    assert len(used) == len(set(used)), "two processes have shared a connection"
    assert server.pid not in backends


@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["each loads", "preload"])
@pytest.mark.parametrize("kind", [["--worker-class", "sync"], ["--threads", "4"]], ids=["sync", "threads"])
async def test_processes_of_gunicorn_have_connections_of_their_own(
    worker: None, look: Look, tmp_path: Path, preload: list[str], kind: list[str]
) -> None:
    """With --preload the process that forks has a pool and a listener already."""
    command = [*GUNICORN, *preload, *kind, "tests.servers.shop:wsgi"]
    async with serving(tmp_path, *command, SHOP_WARM="1" if preload else "") as server, client(tmp_path) as shop:
        backends = await _ask_each(shop, processes=3)
        _assert_apart(backends, server)
        os.kill(next(iter(backends)), signal.SIGKILL)  # another one takes its place
        more = await _ask_each(shop, processes=3)
        assert server.returncode is None
    assert len(backends.keys() | more.keys()) == 4
    await auntil(lambda: look.value(OURS, ["pgqueue", "pgqueue results"]) == 0, "no connection is left")


async def test_processes_of_uvicorn_have_connections_of_their_own(worker: None, look: Look, tmp_path: Path) -> None:
    async with serving(tmp_path, *UVICORN, "tests.servers.shop:asgi") as server, client(tmp_path) as shop:
        _assert_apart(await _ask_each(shop, processes=3), server)
    await auntil(lambda: look.value(OURS, ["pgqueue", "pgqueue results"]) == 0, "no connection is left")
