"""Cursors: opaque texts that say where the next page begins, and that belong to one list."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

from ..problems import invalid

_MARK = 12  # characters of the digest of a list


def seal(after: str, of: str) -> str:
    """A cursor.

    Args:
        after: where the page begins, in a form that SQL takes.
        of: what the list is: its filter and its order.
    """
    return urlsafe_b64encode(f"{_digest(of)}{after}".encode()).decode().rstrip("=")


def unseal(cursor: str | None, of: str) -> str | None:
    """Where a page begins; None without a cursor.

    Raises:
        Problem: it is no cursor, or one of another list.
    """
    if cursor is None:
        return None
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        text = ""
    if text[:_MARK] != _digest(of):
        raise invalid("cursor", cursor, "use `next` of a page of the same list, with the same filter and order")
    return text[_MARK:]


def _digest(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()[:_MARK]
