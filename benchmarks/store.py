"""Where a system keeps its jobs: what a measurement needs of a PostgreSQL or a Redis server."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Usage:
    """What the server has done so far for one database (commits) and altogether (bytes of WAL)."""

    commits: int
    wal_bytes: int

    def since(self, earlier: Usage) -> Usage:
        """The work between two readings."""
        return Usage(self.commits - earlier.commits, self.wal_bytes - earlier.wal_bytes)


class Store(Protocol):
    """A server that holds the jobs of a run."""

    def url(self, database: str) -> str:
        """What a client connects to."""

    def fresh_database(self, label: str) -> AbstractContextManager[str]:
        """An empty database; yields its name and removes it afterwards."""

    def settle(self, database: str) -> None:
        """Let the server digest what a queue was filled with."""

    def usage(self, database: str) -> Usage | None:
        """Commits and WAL so far; None where there is no such thing."""

    def crashed(self, database: str) -> None:
        """End the server without letting it finish anything, start it again, and return when it answers."""

    def count(self, database: str, query: str) -> int:
        """The number that a query of the store's language answers."""
