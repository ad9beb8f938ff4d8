"""What the machine, or the container, gives this process: CPUs and memory, by the control groups of Linux, version 1 and 2.

A container sees all CPUs and all memory of its host; only its control group says how much of them it may use.
"""

import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger("pgqueue.worker")
WARN_AT = 0.85  # of the limit
ROOM_AT = 0.80  # below which a later rise is warned of again
UNLIMITED = 2**60  # bytes: version 1 says "no limit" with a number somewhat below 2**63


def read(file: Path) -> str | None:
    """The text of a file without its last newline; None if it cannot be read."""
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None


def number(text: str | None) -> int | None:
    """A whole number; None for anything else, such as "max"."""
    return int(text) if text is not None and text.lstrip("-").isdecimal() else None


def fields(text: str | None) -> dict[str, str]:
    """The values by name of a file with a name and a value in each line."""
    return dict(line.split(" ", 1) for line in (text or "").splitlines() if " " in line)


class Machine:
    """The limits under which this process runs.

    A limit of a group holds for all groups below it, so that the smallest on the way up counts.

    Args:
        root: the root of the file system; another one in tests.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._mount = root / "sys/fs/cgroup"
        self._is_v2 = (self._mount / "cgroup.controllers").exists()
        self._groups = dict(_groups(read(root / "proc/self/cgroup") or ""))

    def cores(self) -> float:
        """CPUs that this process may use: at least 0.01; a fraction if a quota says so."""
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        quotas = (self._quota_v2(at) if self._is_v2 else self._quota_v1(at) for at in self._way_up("cpu"))
        return max(0.01, min([float(allowed), *(quota for quota in quotas if quota is not None)]))

    def memory_limit(self) -> int | None:
        """Bytes that the processes of its group may use together; None = there is no limit."""
        name = "memory.max" if self._is_v2 else "memory.limit_in_bytes"
        limits = [limit for at in self._way_up("memory") if (limit := number(read(at / name))) is not None]
        return min(limits) if limits and min(limits) < UNLIMITED else None

    def memory_used(self) -> int | None:
        """Bytes in use in the group that has the limit, without caches of files that can be dropped; None = it is not known."""
        limit = self.memory_limit()
        names = ("memory.max", "memory.current") if self._is_v2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        for at in self._way_up("memory"):
            if limit is not None and number(read(at / names[0])) == limit and (used := number(read(at / names[1]))) is not None:
                return max(0, used - _droppable(read(at / "memory.stat")))
        return None

    def about(self) -> dict[str, float | int | None]:
        """What a worker says of it when it registers."""
        return {"cores": self.cores(), "memory_limit": self.memory_limit()}

    def _way_up(self, controller: str) -> Iterator[Path]:
        """The group of this process and those above it. In a container without a namespace for groups the path is one of the
        host: what is mounted is then the group itself."""
        top = self._mount if self._is_v2 else self._mount / controller
        group = top / self._groups.get("" if self._is_v2 else controller, "").lstrip("/")
        if ".." in group.parts or not group.is_dir():
            group = top
        while group != top:
            yield group
            group = group.parent
        yield top

    def _quota_v2(self, at: Path) -> float | None:
        quota, _, period = (read(at / "cpu.max") or "").partition(" ")
        return _ratio(number(quota), number(period))

    def _quota_v1(self, at: Path) -> float | None:
        return _ratio(number(read(at / "cpu.cfs_quota_us")), number(read(at / "cpu.cfs_period_us")))


def _ratio(quota: int | None, period: int | None) -> float | None:
    """CPUs; None = no quota, which version 1 says as -1."""
    return quota / period if quota is not None and period is not None and quota > 0 and period > 0 else None


def _groups(text: str) -> Iterator[tuple[str, str]]:
    """Controllers with the paths of their groups, of /proc/self/cgroup; the controller of version 2 is ""."""
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            yield controller, path


def _droppable(stat: str | None) -> int:
    found = fields(stat)
    return number(found.get("total_inactive_file") or found.get("inactive_file")) or 0


class MemoryWatch:
    """Warns in the log when the memory of the container is nearly used up: at its limit the kernel kills a process.

    Args:
        machine: what says it.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine, self._is_told = machine, False

    def look(self) -> None:
        """Look, and warn; again only after there was room in between."""
        limit = self._machine.memory_limit()
        used = self._machine.memory_used() if limit else None
        if not limit or used is None:
            return
        share = used / limit
        if share >= WARN_AT and not self._is_told:
            log.warning(
                "memory: %.0f MiB of the %.0f MiB of this container are in use (%.0f %%); at the limit the kernel kills",
                used / 2**20, limit / 2**20, 100 * share,
            )  # fmt: skip
        self._is_told = share >= (ROOM_AT if self._is_told else WARN_AT)


_found: list[Machine] = []


def machine() -> Machine:
    """The one on which this process runs."""
    if not _found:
        _found.append(Machine())
    return _found[0]


def whole_cores() -> int:
    """How many processes its CPUs keep busy: at least 1; a started CPU counts from its half on."""
    return max(1, math.floor(machine().cores() + 0.5))
