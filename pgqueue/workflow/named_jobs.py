"""Handles on the jobs of a workflow, by name."""

from typing import Any, NoReturn

from ..errors import UnknownNode
from ..job import Job

MOST_NAMED = 20


class NamedJobs(dict[str, Job[Any]]):
    """A dict whose KeyError lists the names there are."""

    __slots__ = ()

    def __missing__(self, name: object) -> NoReturn:
        known = ", ".join(repr(one) for one in list(self)[:MOST_NAMED]) or "none"
        more = f" and {len(self) - MOST_NAMED} more" if len(self) > MOST_NAMED else ""
        raise UnknownNode(f"jobs: there is no node {name!r}; there are: {known}{more}")
