"""Probes as others ask for them, and systemd as processes find it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest


@pytest.fixture
def port() -> int:
    """A port that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket as systemd has it. Take it before `start`, which copies the environment."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield heard


def code(port: int, path: str) -> int:
    """The status of a probe; 0 if nothing listens."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10).status_code
    except httpx.TransportError:
        return 0


def until_heard(manager: socket.socket, line: str) -> None:
    """Wait until systemd was told this."""
    while line not in manager.recv(4096).decode().splitlines():
        pass
