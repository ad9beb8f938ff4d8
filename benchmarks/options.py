"""What a run may be asked for, and the constants that every system shares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

CONCURRENCY = 100
"""Handlers at once in one worker process, for every system that takes such a number."""

WARM_UP_SECONDS = 2.0
"""Time after the first job that is not measured: imports, connections, caches, the first flushes."""

SAMPLE_SECONDS = 0.1
"""How often the counters of the workers are read. It costs the server nothing: they are files."""

PRELOAD_BATCH = 5_000
"""Jobs in one call while a queue is filled before a measurement; not measured."""

ENQUEUE_BATCH = 1_000
"""Jobs in one call where bulk enqueueing itself is measured, and where a producer works beside a worker."""

REFILL_BACKLOG = 20_000
"""A producer beside a worker pauses when so many jobs wait: then both run at the same, lasting pace."""

SERVER_BATCH = 500
"""Jobs in one claim where the server alone is measured."""


class Handler(StrEnum):
    """What kind of function the no-op job is."""

    ASYNC = "async"
    SYNC = "sync"


@dataclass(frozen=True)
class Options:
    """The command line; None means: what the benchmark takes by default."""

    jobs: int | None = None
    seconds: float | None = None
    repeat: int = 3
    processes: int = 1
    handler: Handler = Handler.ASYNC
    batch: int | None = None
    """Jobs in one claim, where the server alone is measured."""
    picture: Path | None = None
    """Where the starts under a rate limit are drawn."""
