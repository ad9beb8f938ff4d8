"""The doctor, for endpoints; `Kept` sees that there is one examination at a time."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from ...database.calls.doctor import Finding
from ...doctor import examine
from ...registry import Registry

KEPT = 5.0  # seconds for which findings are answered again


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found.

    Attributes:
        at: when the examination began, on the clock of this process.
        checks: how many checks were made, or tried.
        findings: what is wrong, the worst first.
    """

    at: datetime
    checks: int
    findings: list[Finding]


async def examined(app: Registry) -> Examined:
    """Examine an install, in a thread and on a connection of its own."""
    began = datetime.now(UTC)
    found = await asyncio.to_thread(examine, app)
    return Examined(began, found.checks, found.findings)
