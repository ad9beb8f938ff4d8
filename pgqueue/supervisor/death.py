"""How a process has ended."""

import signal
from dataclasses import dataclass, replace
from typing import Literal

# killed: by a signal that is not ours; memory: above the hard limit; stuck: without a sign of life; boot: never ready;
# late: told to stop, and it did not; exited: with an exit code that nobody expects.
Reason = Literal["killed", "memory", "stuck", "boot", "late", "exited"]


@dataclass(frozen=True, slots=True)
class Death:
    """The end of a process that could not hand in what it held.

    Attributes:
        worker_id: of its worker; None if it has not told one.
        code: its exit code; below 0 the number of the signal that ended it.
        reason: see Reason.
        rss: bytes of its resident memory when it was looked at last.
        running: ids of the jobs whose handlers ran then, as it has told at most a second before.
    """

    worker_id: str | None
    code: int
    reason: Reason
    rss: int
    running: tuple[int, ...] = ()

    def because_of(self, reason: Reason) -> "Death":
        """The same for another reason."""
        return replace(self, reason=reason)

    def __str__(self) -> str:
        """In words, for people who look at a job that it has ended."""
        return {
            "memory": f"out of memory: {self.rss // 1_000_000} MB",
            "stuck": "its process gave no sign of life and was killed",
            "boot": "its process did not become ready within boot_timeout and was killed",
            "late": "its process did not stop and was killed",
        }.get(self.reason, f"its process {'was killed by' if self.code < 0 else 'ended with'} {described(self.code)}")


def described(code: int) -> str:
    """An exit code, or the signal, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
