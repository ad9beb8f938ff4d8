"""The pages, a file for each noun."""

from ..page import Page
from . import (
    audit,
    dead_edits,
    dead_letters,
    doctor,
    enqueue,
    job,
    job_acts,
    jobs,
    keys,
    limit_forms,
    limits,
    operations,
    overview,
    queues,
    schedule_forms,
    schedules,
    settings,
    suggestions,
    workers,
    workflows,
)

_NOUNS = (
    audit,
    dead_letters,
    dead_edits,
    doctor,
    settings,
    keys,
    limit_forms,
    limits,
    schedule_forms,
    schedules,
    workflows,
    overview,
    jobs,
    operations,
    suggestions,
    queues,
    workers,
    enqueue,
    job,
    job_acts,
)
ALL: list[Page] = [page for noun in _NOUNS for page in noun.pages.all]
