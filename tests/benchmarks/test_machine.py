"""What a run says of its machine: also the versions of what peers bring."""

import pytest

from benchmarks.machine import machine
from benchmarks.redis_server import redis_version
from benchmarks.server import Server


def test_a_machine_without_redis_and_node_says_so(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    redis_version.cache_clear()
    line = machine(Server(server_url), "2026-12-01T10:00:00Z")
    redis_version.cache_clear()
    assert line["Redis"] == line["Node.js"] == "none"
    assert line["PostgreSQL"]


def test_a_machine_names_the_versions_that_it_has(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.machine.redis_version", lambda: "7.0.15")
    monkeypatch.setattr("benchmarks.machine.node_version", lambda: "22.12.0")
    line = machine(Server(server_url), "2026-12-01T10:00:00Z")
    assert (line["Redis"], line["Node.js"]) == ("7.0.15", "22.12.0")
