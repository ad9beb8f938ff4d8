"""The Redis of the benchmarks: nobody else's, empty, gone afterwards; it keeps through a crash what the README says."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError, Unavailable
from benchmarks.redis_server import APPENDING, DEFAULTS, PROGRAM, RedisProcess, RedisServer, redis_version

pytestmark = pytest.mark.skipif(shutil.which(PROGRAM) is None, reason="redis-server is not installed")


def test_each_database_is_empty_and_counts_what_was_put_in() -> None:
    server = RedisServer()
    for _ in range(2):
        with server.fresh_database("queue") as name:
            assert server.count(name, "LLEN waiting\nZCARD running") == 0
            server.running[name].ask("RPUSH waiting one two")
            server.running[name].ask("ZADD running 1 three")
            assert server.count(name, "LLEN waiting\nZCARD running") == 3


def test_nothing_is_left_of_a_database() -> None:
    server = RedisServer()
    with server.fresh_database("queue") as name:
        path = Path(server.url(name).removeprefix("unix://"))
        pid = server.running[name].pid
        assert path.is_socket()
        assert pid is not None
    assert not path.parent.exists()
    assert not server.running
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_two_databases_at_once_do_not_meet() -> None:
    server = RedisServer()
    with server.fresh_database("one") as one, server.fresh_database("two") as two:
        server.running[one].ask("SET key 1")
        assert server.count(one, "EXISTS key") == 1
        assert server.count(two, "EXISTS key") == 0


@pytest.mark.parametrize(("settings", "kept"), [(DEFAULTS, "0"), (APPENDING, "1")])
def test_a_crash_loses_what_came_after_the_last_snapshot_unless_it_is_appended(settings: Sequence[str], kept: str) -> None:
    with RedisProcess(settings) as process:
        process.ask("SET key 1")
        process.crash()
        process.start()
        assert process.ask("EXISTS key") == kept


def test_a_refused_command_is_an_error_that_names_it() -> None:
    with RedisProcess() as process, pytest.raises(BenchmarkError, match="'LLEN'"):
        process.ask("LLEN")


def test_a_machine_without_redis_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    redis_version.cache_clear()
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable, match="apt install redis-server"):
        redis_version()
    redis_version.cache_clear()
