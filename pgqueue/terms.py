"""The terms of a job: how long it may take, the schedule that has made it, and the trace that it belongs to."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from ._json import loads_own

SOFT_SHARE = 0.8  # of the timeout: the soft limit, if none is given


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one run, from its claim.

    Attributes:
        json: as the claim told them.
        timeout: seconds after which the run is ended; None = no limit.
        soft_timeout: seconds after which the run is warned; None = never.
        left: seconds from the claim to the end of the job's `total_timeout`; None = no limit.
        schedule: the name of the schedule that has made the job; None = none.
        scheduled_for: the tick that the job stands for; None for a job without a schedule.
        stands_for: how many ticks the job stands for; 1 unless ticks were missed.
        first: seconds until the first of `soft_timeout` and `timeout`; infinite without them.
        trace: where the job comes from: traceparent, tracestate and request_id, as far as they were given; None = none.
    """

    json: str
    timeout: float | None = None
    soft_timeout: float | None = None
    left: float | None = None
    schedule: str | None = None
    scheduled_for: datetime | None = None
    stands_for: int = 1
    first: float = math.inf
    trace: Mapping[str, str] | None = None

    @staticmethod
    def from_json(text: str) -> "Terms":
        """Read the column `terms` of a claim."""
        return _read_traced(text) if '"trace"' in text else _read_often(text)


def _read(text: str) -> Terms:
    given = loads_own(text)
    timeout, soft = given.get("timeout") or None, given.get("soft_timeout")
    if soft is None and timeout is not None:
        soft = timeout * SOFT_SHARE
    at = given.get("scheduled_for")
    return Terms(
        text,
        timeout=timeout,
        soft_timeout=soft or None,
        left=given.get("left"),
        schedule=given.get("schedule"),
        scheduled_for=None if at is None else datetime.fromisoformat(at),
        stands_for=given.get("stands_for", 1),
        first=min(timeout or math.inf, soft or math.inf),
        trace=given.get("trace"),
    )


_read_often = lru_cache(1000)(_read)  # many jobs have the same terms
_read_traced = lru_cache(100)(_read)  # only jobs of one enqueue have the same trace: these must not push the others out
