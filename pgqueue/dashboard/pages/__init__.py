"""The pages, a file for each noun."""

from ..page import Page
from . import audit, jobs, operations, suggestions

_NOUNS = (audit, jobs, operations, suggestions)
ALL: list[Page] = [page for noun in _NOUNS for page in noun.pages.all]
