"""A log line as it is read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that the handler of a job has said.

    Attributes:
        seq: counts from 1 in each job; a gap stands for lines that were left out.
        at: when it was said, on the clock of the database.
        attempt: the attempt that said it.
        level: debug, info, warning, error or critical.
        message: its text.
        fields: its fields; empty if there are none.
    """

    seq: int
    at: datetime
    attempt: int
    level: str
    message: str
    fields: dict[str, Any]

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "LogLine":
        """The line of an element of `watch`."""
        at = datetime.fromisoformat(row["at"])
        return cls(row["seq"], at, row["attempt"], row["level"], row["message"], row["fields"] or {})
