"""The pages, a file for each noun."""

from ..page import Page
from . import audit, overview

_NOUNS = (
    overview,
    audit,
)
ALL: list[Page] = [page for noun in _NOUNS for page in noun.pages.all]
