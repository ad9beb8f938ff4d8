"""The endpoints, a file for each noun."""

from ..endpoint import Endpoint
from . import (
    audit,
    capabilities,
    dead_letters,
    doctor,
    enqueue,
    events,
    health,
    http_workers,
    jobs,
    keys,
    limits,
    metrics,
    operations,
    problems,
    prometheus,
    queues,
    results,
    schedules,
    workers,
    workflows,
)

_NOUNS = (
    enqueue,
    jobs,
    results,
    operations,
    events,
    queues,
    limits,
    schedules,
    workflows,
    dead_letters,
    http_workers,
    workers,
    metrics,
    doctor,
    audit,
    keys,
    capabilities,
    problems,
    health,
    prometheus,
)
ALL: list[Endpoint] = [endpoint for noun in _NOUNS for endpoint in noun.endpoints.all]
