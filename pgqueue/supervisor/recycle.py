"""When a process is replaced although nothing is wrong with it: after jobs, by memory, after a time."""

import random
from dataclasses import dataclass, replace

from ..errors import ConfigurationError
from ..worker.status import Status

MB = 1_000_000
STUCK_LEASES = 10  # leases without a sign of life after which a process is killed
JITTER = 0.1  # by which part a limit of one process may be lower, so that processes do not all leave together


@dataclass(frozen=True, slots=True)
class Recycling:
    """When processes are replaced. None = never for this reason.

    Attributes:
        max_jobs: runs after which a process is replaced.
        max_memory: bytes of resident memory above which it is replaced once its running handlers have ended.
        max_memory_hard: bytes above which it is killed at once.
        max_lifetime: seconds after which it is replaced.
        boot_timeout: seconds from exec until it must be ready; waiting for the database does not count. Default 60.
        stuck_after: seconds without a sign of life of its event loop after which it is killed. Default 300.
        longest_wait: seconds at most until a process that has died is replaced, where one was ever ready. Default 30.
        settle: seconds that a process lives before memory is a reason to replace it. Default 30.

    Raises:
        ConfigurationError: a value is not above 0, or the hard limit is not above the soft one.
    """

    max_jobs: int | None = None
    max_memory: int | None = None
    max_memory_hard: int | None = None
    max_lifetime: float | None = None
    boot_timeout: float = 60.0
    stuck_after: float = 300.0
    longest_wait: float = 30.0
    settle: float = 30.0

    def __post_init__(self) -> None:
        for name in ("max_jobs", "max_memory", "max_memory_hard", "max_lifetime", "boot_timeout", "stuck_after"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"{name}: {value} is not valid; use a value above 0")
        if self.max_memory and self.max_memory_hard and self.max_memory_hard <= self.max_memory:
            raise ConfigurationError(
                f"max_memory_hard: {self.max_memory_hard} is not above max_memory ({self.max_memory}); use a larger value"
            )

    def for_lease(self, lease: float) -> "Recycling":
        """The same for processes with this lease: a place is empty no longer than the jobs of its last process would wait."""
        stuck_after = max(self.stuck_after, STUCK_LEASES * lease)
        return replace(self, stuck_after=stuck_after, longest_wait=min(self.longest_wait, lease))


class Limits:
    """The limits of one process: those of all, a little lower by chance.

    Args:
        recycling: the limits of all.
    """

    def __init__(self, recycling: Recycling) -> None:
        share = random.uniform(1 - JITTER, 1)
        self._recycling = recycling
        self._jobs = recycling.max_jobs and max(1, round(recycling.max_jobs * share))
        self._lifetime = recycling.max_lifetime and recycling.max_lifetime * share
        self.is_memory_ignored = False  # because it was above the limit from the start

    def exceeded(self, status: Status, rss: int, age: float) -> str | None:
        """Why the process should be replaced, in words; None if it should not.

        Args:
            status: what it has said last.
            rss: bytes of its resident memory.
            age: seconds since it was ready.
        """
        jobs, most = status.done + status.failed, self._recycling.max_memory
        if self._jobs and jobs >= self._jobs:
            return f"it has run {jobs} jobs"
        if self._lifetime and age >= self._lifetime:
            return f"it has run for {age:.0f} s"
        if most and rss > most and age >= self._recycling.settle and not self.is_memory_ignored:
            return f"it uses {rss // MB} MB; max_memory is {most // MB} MB"
        return None
