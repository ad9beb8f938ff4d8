"""Who acts: the name that the audit log keeps for what this context does."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_acting: ContextVar[str | None] = ContextVar("pgqueue_acting", default=None)


@contextmanager
def acting_as(by: str) -> Iterator[None]:
    """Name `by` in the audit log for what this thread or asyncio task does in the block; a call with its own `by` keeps that.

    Args:
        by: who acts, for example the user of a web request; 1 to 200 characters. Outside of all blocks it is the database user.
    """
    token = _acting.set(by)
    try:
        yield
    finally:
        _acting.reset(token)


def actor(by: str | None = None) -> str | None:
    """Who acts: as given, or as the block around says; None = the database user."""
    return _acting.get() if by is None else by
