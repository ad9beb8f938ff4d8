"""What the jobs of a recovery benchmark have noted: each start and each end, by the number of the job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

Times = Mapping[int, Sequence[float]]


@dataclass(frozen=True)
class Runs:
    """The noted runs so far, as seconds since the epoch, by job."""

    starts: Times
    ends: Times

    def running(self) -> set[int]:
        """Jobs that have started and never ended."""
        return set(self.starts) - set(self.ends)

    def twice(self) -> int:
        """Jobs that were done to the end more than once."""
        return sum(len(times) > 1 for times in self.ends.values())

    def back(self, job: int, since: float) -> float | None:
        """How many seconds after that moment the job started again; None if it has not."""
        later = [at - since for at in self.starts[job] if at > since]
        return min(later, default=None)

    def pause(self, since: float) -> float | None:
        """The longest time without a first start of a job from that moment on; None if there was no such start."""
        later = sorted(at for at in map(min, self.starts.values()) if at > since)
        return max((b - a for a, b in pairwise([since, *later])), default=None)

    def last_end(self) -> float:
        """When the last job was done for the first time."""
        return max(map(min, self.ends.values()))


def read(path: Path) -> Runs:
    """The runs in that file; it may still grow."""
    noted: dict[str, dict[int, list[float]]] = {"start": defaultdict(list), "end": defaultdict(list)}
    text = path.read_text() if path.exists() else ""
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            word, number, at = line.split()
            noted[word][int(number)].append(float(at))
    return Runs(noted["start"], noted["end"])
