"""Dramatiq for the benchmarks: `… install|work|produce URL [PROCESSES]`.

Its command line says 8 threads a process by default. The variable dramatiq_queue_prefetch, which its changelog names without
advising a number, is larger here than by default, for jobs as small as these: see redis_peers.py. Results are not kept.
Its processes import this module by name; the environment tells them where Redis is.
"""

from __future__ import annotations

import os
import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.cli import main, make_argument_parser

from benchmarks.recorder import Recorder
from benchmarks.systems.peers.answers import serve

URL_VARIABLE = "BENCHMARK_DRAMATIQ_URL"
NAME = "benchmarks.systems.peers.dramatiq"

broker = RedisBroker(url=os.environ.setdefault(URL_VARIABLE, sys.argv[2] if __name__ == "__main__" else ""))
dramatiq.set_broker(broker)
recorder = None if __name__ == "__main__" else Recorder()


@dramatiq.actor(actor_name="noop")
def noop(sent_at: float) -> None:
    """Count."""
    if recorder is not None and recorder.keeps_journal:
        recorder.work_blocking(sent_at)
    elif recorder is not None:
        recorder.note(sent_at)


def work(processes: str) -> None:
    """Run its command line until SIGTERM."""
    sys.exit(main(make_argument_parser().parse_args([NAME, "--processes", processes])))


def many(count: int) -> None:
    """Dramatiq has no bulk call: as many calls on its pool of connections."""
    for _ in range(count):
        noop.send(0.0)


if __name__ == "__main__":
    verb, _, *rest = sys.argv[1:]
    if verb == "work":
        work(rest[0] if rest else "1")
    elif verb == "produce":
        serve(many, noop.send)
