"""Jobs that a run adds to its workflow, with a key for some queues: they are in these queues, and so is what they are tied to."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..bodies.filters import id_of
from ..here import Here
from ..problems import Problem
from .owned import check_owned

MOST_LOOKED_AT = 100  # jobs that are there: each costs a look
Node = Mapping[str, Any]


async def check_added(here: Here, nodes: Iterable[Node]) -> None:
    """Refuse what a key for some queues may not add. SQL checks all else.

    Raises:
        Problem: a node goes to another queue, or names a node that is there by anything but its id.
        JobNotFound: a node is tied to a job of another queue, whose result it could take.
    """
    if here.caller.queues is None:
        return
    nodes = list(nodes)
    for node in nodes:
        queue = node.get("queue")
        here.caller.check_queue("default" if queue is None else str(queue))
    tied = {id_of("job", str(id)) for id in _ids(nodes)}
    if len(tied) > MOST_LOOKED_AT:
        raise Problem("forbidden", f"nodes: a key for some queues may name {MOST_LOOKED_AT} jobs at most")
    for id in sorted(tied):
        await check_owned(here, id)


def _ids(nodes: list[Node]) -> Iterator[object]:
    """The ids of jobs that are there, to which these nodes are tied."""
    names = {str(node.get("name")) for node in nodes}
    for link in (link for node in nodes for kind in ("after", "before") for link in _list(node.get(kind))):
        if isinstance(link, dict) and "job" in link:
            yield link["job"]
            continue
        other = link.get("node") if isinstance(link, dict) else link
        if isinstance(other, str) and other not in names:
            raise Problem("forbidden", f'nodes: a key for some queues names the node {other[:200]!r} by its id: {{"job": …}}')


def _list(given: object) -> list[Any]:
    return given if isinstance(given, list) else []
