"""The pages, a file for each noun."""

from ..page import Page
from . import audit, workflows

_NOUNS = (audit, workflows)
ALL: list[Page] = [page for noun in _NOUNS for page in noun.pages.all]
