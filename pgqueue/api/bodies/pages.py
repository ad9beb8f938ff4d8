"""Lists in pages by keyset: a page begins behind the last row of the page before, which an opaque cursor names."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from ..._json import dumps, loads
from ..exact import write
from ..problems import invalid

T = TypeVar("T")
Row = TypeVar("Row")
MOST_ROWS = 1000
USUAL = 50  # rows of a page
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="the most rows of the page")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next` of the page before, with the same filter and order")]
_MARK = 12  # characters of the digest of a list
_OTHER = "use `next` of a page of the same list, with the same filter and order"


class Page(BaseModel, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None = Field(description="the cursor of the next page; null: this is the last one", examples=[None])


class Paging:
    """A list that is asked for page by page.

    Args:
        of: what the list is: a name, and the values of its filter and order.
        limit: the most rows of a page.
        cursor: of the page before, or None.
        keys: how many values name a row.

    Attributes:
        after: the values that name the last row of the page before, as texts; None on the first page.
        fetch: how many rows to ask for: one more, which says whether there is a next page.

    Raises:
        Problem: it is no cursor, or one of another list.
    """

    def __init__(self, of: tuple[Any, ...], limit: int, cursor: str | None, keys: int = 1) -> None:
        self._of, self._limit, self._cursor = write(list(of)).decode(), limit, cursor
        self.after: tuple[str | None, ...] = (None,) * keys if cursor is None else _unsealed(cursor, self._of, keys)
        self.fetch = limit + 1

    def id(self) -> int | None:
        """`after` of rows that are named by one id. Raises Problem if it is none."""
        (text,) = self.after
        if text is None:
            return None
        if text.isascii() and text.isdecimal() and len(text) < 20 and int(text) < 2**63:
            return int(text)
        raise invalid("cursor", self._cursor, _OTHER)

    def page(
        self, rows: Sequence[Row], keys: Callable[[Row], tuple[Any, ...]], shown: Callable[[Row], Any] = lambda row: row
    ) -> dict[str, Any]:
        """The page of these rows.

        Args:
            rows: as many as `fetch` says, or all that there are.
            keys: the values that name a row.
            shown: a row as it is answered.
        """
        more, rows = len(rows) > self._limit, rows[: self._limit]
        return self.ending([shown(row) for row in rows], keys(rows[-1]) if more else None)

    def ending(self, items: list[Any], last: tuple[Any, ...] | None) -> dict[str, Any]:
        """The page of these items.

        Args:
            items: as they are answered.
            last: the values that name the row behind which the next page begins; None = there is no next page.
        """
        return {"items": items, "next": None if last is None else _sealed(dumps(list(map(_text, last))), self._of)}


def _sealed(text: str, of: str) -> str:
    return urlsafe_b64encode(f"{_digest(of)}{text}".encode()).decode().rstrip("=")


def _unsealed(cursor: str, of: str, many: int) -> tuple[str, ...]:
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        found = loads(text[_MARK:]) if text[:_MARK] == _digest(of) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or len(found) != many or not all(isinstance(one, str) and "\0" not in one for one in found):
        raise invalid("cursor", cursor, _OTHER)
    return tuple(found)


def _digest(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()[:_MARK]


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
