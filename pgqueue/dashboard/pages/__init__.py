"""The pages, a file for each noun."""

from ..page import Page
from . import audit, queues, workers

_NOUNS = (audit, queues, workers)
ALL: list[Page] = [page for noun in _NOUNS for page in noun.pages.all]
