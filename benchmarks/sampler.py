"""Where a worker process spends its processor time: a sample of its stack every few milliseconds of that time.

`python benchmarks/sampler.py MODULE ARGUMENTS…` is `python -m MODULE ARGUMENTS…` with samples. It needs nothing but the standard
library, so that it runs with the packages of any version. A sample belongs to the step whose module is innermost in the
stack. What the interpreter's C code does (a row that is decoded, a query that is sent) belongs to the Python code that has called
it; that of the event loop itself may be taken for the callback that it calls next.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

DIRECTORY_VARIABLE = "BENCHMARK_COUNTERS"  # as in recorder.py
SECONDS = 0.004
WRITE_EVERY = 25
"""Samples."""

STEPS = {
    **dict.fromkeys(("claim.py", "cursor.py", "room.py", "pace.py", "early.py", "queues.py"), "claim"),
    **dict.fromkeys(("slots.py", "execute.py", "surround.py", "timeouts.py", "ending.py", "traced.py"), "run"),
    **dict.fromkeys(("finish.py", "deliver.py", "isolate.py", "held.py", "callbacks.py"), "hand_in"),
}
"""Of the files in pgqueue/worker; any other one of them is "other"."""

HANDLERS = ("benchmarks/systems/pgqueue.py", "benchmarks/recorder.py")


def step_of(frame: FrameType | None) -> str:
    """The step that a stack belongs to: claim, run, handler, hand_in, other, or loop for what is below none of them."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if frame.f_code.co_filename.endswith(HANDLERS):
            return "handler"
        if path.parent.name == "worker" and frame.f_code.co_name != "run_worker" and path.name in STEPS:
            return STEPS[path.name]
        frame = frame.f_back
    return "loop"


class Sampler:
    """Counts the samples of this process, by step, into a file."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._path = Path(os.environ[DIRECTORY_VARIABLE], f"{os.getpid()}.samples")

    def start(self) -> None:
        """From now on."""
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, SECONDS, SECONDS)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._counts[step_of(frame)] += 1
        if self._counts.total() % WRITE_EVERY == 0:
            self._path.write_text(json.dumps(self._counts))


if __name__ == "__main__":
    if not sys.flags.safe_path:
        sys.path[0] = str(Path.cwd())  # as -m has it
    Sampler().start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
