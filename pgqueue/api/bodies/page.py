"""Pages of lists by keyset: a page begins behind the last row of the page before."""

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from ..._json import dumps, loads
from ..exact import write
from ..problems import invalid
from . import cursor as cursors

T = TypeVar("T")
Row = TypeVar("Row")
MOST_ROWS = 1000
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="the most rows of the page")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next` of the page before")]


class Page(BaseModel, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None = Field(description="the cursor of the next page; null: this is the last one", examples=[None])


class Paging:
    """A list that is asked for page by page.

    Args:
        of: what the list is: a name, and the values of its filter.
        limit: the most rows of a page.
        cursor: of the page before, or None.
        keys: how many values name a row.

    Attributes:
        after: the values that name the last row of the page before, as texts.
        fetch: how many rows to ask for: one more, which says whether there is a next page.

    Raises:
        Problem: it is no cursor, or one of another list.
    """

    def __init__(self, of: tuple[Any, ...], limit: int, cursor: str | None, keys: int) -> None:
        self._of, self._limit = write(list(of)).decode(), limit
        self.after: tuple[str | None, ...] = _keys(cursor, cursors.unseal(cursor, self._of), keys)
        self.fetch = limit + 1

    def page(self, rows: list[Row], keys: Callable[[Row], tuple[Any, ...]]) -> dict[str, Any]:
        """The page of these rows; `keys` gives the values that name a row."""
        more, rows = len(rows) > self._limit, rows[: self._limit]
        return {"items": rows, "next": cursors.seal(dumps(list(map(_text, keys(rows[-1])))), self._of) if more else None}


def _keys(cursor: str | None, text: str | None, many: int) -> tuple[str | None, ...]:
    if text is None:
        return (None,) * many
    try:
        found = loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or len(found) != many or not all(isinstance(one, str) and "\0" not in one for one in found):
        raise invalid("cursor", cursor, "use `next` of a page")
    return tuple(found)


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
