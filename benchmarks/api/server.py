"""The API in a process of its own, as `pgqueue serve` starts it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.errors import BenchmarkError


@contextmanager
def served(url: str) -> Iterator[int]:
    """Serve an install; gives the port."""
    port = _free_port()
    command = [sys.executable, "-m", "pgqueue", "serve", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(command, env={**os.environ, "PGQUEUE_DATABASE_URL": url}, stdout=subprocess.DEVNULL)
    try:
        _wait_until_open(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def new_key(url: str, role: str) -> str:
    """A key of the API."""
    command = [sys.executable, "-m", "pgqueue", "keys", "create", "--role", role, "--name", f"benchmark {role}"]
    made = subprocess.run(command, env={**os.environ, "PGQUEUE_DATABASE_URL": url}, capture_output=True, text=True, check=True)
    found = re.search(r"pgq_\w+_[\w-]+", made.stdout)
    if found is None:
        raise BenchmarkError("pgqueue keys has printed no key")
    return found[0]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_until_open(process: subprocess.Popen[bytes], port: int) -> None:
    patience = time.monotonic() + 20
    while time.monotonic() < patience and process.poll() is None:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise BenchmarkError("the API did not start")
