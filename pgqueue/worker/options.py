"""How a worker works."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._process import refuse_windows
from .._text import storable
from ..errors import ConfigurationError

LONGEST_GRACE = 31_536_000  # seconds, a year; a timer or a thread cannot wait for any number


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker works.

    Attributes:
        queues: the queues whose jobs it runs, with their weights; empty = every queue that the registered tasks name.
        strict: queues strictly in the given order instead of by weight.
        concurrency: handlers that run at the same time; default 100.
        burst: end when the queues hold nothing that runs or may start now.
        grace: seconds that running handlers may take to end after the first signal; default 30.
        timeout_grace: seconds that an async handler may take to end after its timeout, before its slot counts as abandoned; the
            retry of a handler in a thread waits at least as long. Default 5.
        name: shown in worker_status; host:pid by default.
        handle_signals: end gracefully on SIGTERM and SIGINT. A KeyboardInterrupt that a handler raises is always a failure
            of its job, with and without this option.
        upkeep_only: run no jobs, and only do what any worker does for the whole install: promote, rescue, schedules, roll-ups,
            operations. The tasks and the lifespan of the app are not used.
        about: the pool, slot and generation of a worker that an agent has started.
        supervised: leave a second signal to the supervisor; a service manager may send the first signal to both.
    """

    queues: tuple[tuple[str, float], ...] = ()
    strict: bool = False
    concurrency: int = 100
    burst: bool = False
    grace: float = 30.0
    name: str | None = None
    handle_signals: bool = True
    supervised: bool = False
    timeout_grace: float = 5.0
    upkeep_only: bool = False
    about: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        refuse_windows("a worker")
        storable("name", self.name or "")
        if not 1 <= self.concurrency <= 10_000:
            raise ConfigurationError(f"concurrency: {self.concurrency} is not valid; use 1 to 10000")
        for field_name, seconds in (("grace", self.grace), ("timeout_grace", self.timeout_grace)):
            if not 0 <= seconds <= LONGEST_GRACE:
                raise ConfigurationError(f"{field_name}: {seconds} is not valid; use 0 or more seconds, at most {LONGEST_GRACE}")
        for queue, weight in self.queues:
            storable("queues", queue)
            if not 0 < weight < math.inf:
                raise ConfigurationError(f"queues: the weight of {queue!r} is {weight}; use a number above 0")
