"""The pages, a file for each noun."""

from ..page import Page
from . import audit, enqueue, job, job_acts

_NOUNS = (
    audit,
    enqueue,
    job,
    job_acts,
)
ALL: list[Page] = [page for noun in _NOUNS for page in noun.pages.all]
