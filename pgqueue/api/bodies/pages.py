"""Lists in pages: keyset paging, whatever the list is of."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query

from . import cursor as cursors

T = TypeVar("T")
PageLimit = Annotated[int, Query(ge=1, le=1000, description="how many items a page has at most")]
Cursor = Annotated[str | None, Query(description="`next` of the page before", max_length=2000)]
USUAL = 50


def page(rows: Sequence[T], limit: int, after: Callable[[T], str], of: str, shown: Callable[[T], Any]) -> dict[str, Any]:
    """A page.

    Args:
        rows: the items, and one more if there is a next page.
        limit: how many items it has at most.
        after: what of an item says where the next page begins.
        of: what the list is, for its cursors.
        shown: an item as it is answered.
    """
    is_last = len(rows) <= limit
    return {
        "items": [shown(row) for row in rows[:limit]],
        "next": None if is_last else cursors.seal(after(rows[limit - 1]), of),
    }
