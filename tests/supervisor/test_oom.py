"""What the control groups say of processes that were killed for memory."""

from pathlib import Path

import pytest

from pgqueue.supervisor.oom import LOOK_EVERY, OomKills, OomWatch


def write(root: Path, files: dict[str, str]) -> Path:
    """A file system with these files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({}, 0),
        ({"proc/self/cgroup": "0::/app\n", "sys/fs/cgroup/cgroup.controllers": "memory",
          "sys/fs/cgroup/app/memory.events": "low 0\nhigh 0\nmax 7\noom 2\noom_kill 2\noom_group_kill 0\n"}, 2),
        ({"proc/self/cgroup": "4:memory:/app\n",
          "sys/fs/cgroup/memory/app/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"}, 5),
        ({"proc/self/cgroup": "0::/app\n", "sys/fs/cgroup/cgroup.controllers": "memory",
          "sys/fs/cgroup/app/memory.events": "oom_kill many\n"}, 0),
    ],
    ids=["none", "version 2", "version 1", "unreadable"],
)  # fmt: skip
def test_the_group_of_the_process_says_how_many(tmp_path: Path, files: dict[str, str], count: int) -> None:
    assert OomKills(write(tmp_path, files)).count() == count


def test_each_counts_once_and_only_for_a_while() -> None:
    kills, time = [5], [0.0]
    watch = OomWatch(lambda: kills[0], lambda: time[0])
    assert watch.has_killed() is False, "those before do not count"
    kills[0] = 7
    assert [watch.has_killed() for _ in range(3)] == [True, True, False]
    kills[0] = 8
    for _ in range(3):
        time[0] += LOOK_EVERY
        watch.look()
    assert watch.has_killed() is False, "that was a child of a handler, long ago"
