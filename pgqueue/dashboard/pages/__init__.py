"""The pages, a file for each noun."""

from ..page import Page
from . import audit, limit_forms, limits, schedule_forms, schedules

_NOUNS = (audit, limit_forms, limits, schedule_forms, schedules)
ALL: list[Page] = [page for noun in _NOUNS for page in noun.pages.all]
