"""What the control groups give a process, read from trees of files as both versions make them."""

import logging
import os
from pathlib import Path

import pytest

from pgqueue.worker import machine as machines
from pgqueue.worker.machine import Machine, MemoryWatch

MIB = 2**20


def tree(root: Path, files: dict[str, str]) -> Machine:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return Machine(root)


V2 = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cgroup.controllers": "cpu memory"}


@pytest.fixture(autouse=True)
def _has_eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8))


@pytest.mark.parametrize(("cpu_max", "cores"), [("150000 100000", 1.5), ("max 100000", 8.0), ("1600000 100000", 8.0), ("", 8.0)])
def test_a_quota_of_version_2_bounds_the_cores(tmp_path: Path, cpu_max: str, cores: float) -> None:
    assert tree(tmp_path, V2 | {"sys/fs/cgroup/cpu.max": cpu_max}).cores() == cores


def test_the_smallest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    found = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/kubepods/pod7/app",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory",
            "sys/fs/cgroup/kubepods/pod7/app/cpu.max": "max 100000",
            "sys/fs/cgroup/kubepods/pod7/app/memory.max": "max",
            "sys/fs/cgroup/kubepods/pod7/cpu.max": "50000 100000",
            "sys/fs/cgroup/kubepods/pod7/memory.max": str(512 * MIB),
            "sys/fs/cgroup/kubepods/pod7/memory.current": str(400 * MIB),
            "sys/fs/cgroup/kubepods/pod7/memory.stat": f"anon 5\ninactive_file {100 * MIB}\nactive_file 7",
            "sys/fs/cgroup/kubepods/memory.max": str(8192 * MIB),
        },
    )
    assert found.about() == {"cores": 0.5, "memory_limit": 512 * MIB}
    assert found.memory_used() == 300 * MIB  # without what the kernel can drop


V1 = {
    "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n0::/",
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000",
    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": str(256 * MIB),
    "sys/fs/cgroup/memory/memory.usage_in_bytes": str(200 * MIB),
    "sys/fs/cgroup/memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {50 * MIB}",
}


def test_version_1_in_a_container_has_its_group_at_the_root_of_the_mount(tmp_path: Path) -> None:
    found = tree(tmp_path, V1)
    assert found.about() == {"cores": 2.0, "memory_limit": 256 * MIB}
    assert found.memory_used() == 150 * MIB


def test_version_1_says_no_limit_with_a_huge_number_and_no_quota_with_a_negative_one(tmp_path: Path) -> None:
    unlimited = {
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
    }
    found = tree(tmp_path, V1 | unlimited)
    assert found.about() == {"cores": 8.0, "memory_limit": None}
    assert found.memory_used() is None


@pytest.mark.parametrize("path", ["/../../elsewhere", "/gone"])
def test_a_group_that_is_not_mounted_here_is_that_at_the_root(tmp_path: Path, path: str) -> None:
    found = tree(tmp_path, V2 | {"proc/self/cgroup": f"0::{path}", "sys/fs/cgroup/memory.max": str(64 * MIB)})
    assert found.memory_limit() == 64 * MIB


def test_where_there_are_no_groups_there_are_no_limits(tmp_path: Path) -> None:
    found = Machine(tmp_path)
    assert (found.cores(), found.memory_limit(), found.memory_used()) == (8.0, None, None)


@pytest.mark.parametrize(("quota", "processes"), [("10000 100000", 1), ("150000 100000", 2), ("240000 100000", 2), ("max 1", 8)])
def test_a_started_cpu_counts_from_its_half_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, processes: int
) -> None:
    found = tree(tmp_path, V2 | {"sys/fs/cgroup/cpu.max": quota})
    monkeypatch.setattr(machines, "machine", lambda: found)
    assert machines.whole_cores() == processes


def test_memory_that_is_nearly_used_up_is_warned_of_once_until_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watch = MemoryWatch(tree(tmp_path, V2 | {"sys/fs/cgroup/memory.max": str(100 * MIB)}))
    warned = []
    with caplog.at_level(logging.WARNING, "pgqueue.worker"):
        for used in (84, 85, 99, 81, 90, 79, 84, 86):
            (tmp_path / "sys/fs/cgroup/memory.current").write_text(str(used * MIB))
            watch.look()
            warned.append(len(caplog.messages))
    assert warned == [0, 1, 1, 1, 1, 1, 1, 2]
    assert "85 MiB of the 100 MiB" in caplog.messages[0]
