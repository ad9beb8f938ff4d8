"""Panels: each part of a page is asked for by itself; one that is slow or refused says so, and the page is there all the same."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from .ask import Refused

WITHIN = 1.5  # seconds for which a page waits for a panel


@dataclass(frozen=True, slots=True)
class Panel:
    """What a part of a page shows.

    Attributes:
        value: what the API has answered; None without an answer.
        problem: why there is none: title, detail and remedy.
        status: of the refusal; 200 with an answer.
    """

    value: Any = None
    problem: dict[str, Any] | None = None
    status: int = 200


_SLOW = {
    "title": "This takes long",
    "detail": f"the database has not answered within {WITHIN:g} s; the answer is shown as soon as it is there",
    "remedy": "Wait, or narrow what is shown.",
}


async def panel(asking: Awaitable[Any]) -> Panel:
    """The panel of an answer; it ends in time, whatever happens to the answer."""
    try:
        async with asyncio.timeout(WITHIN):
            return Panel(await asking)
    except Refused as refused:
        return Panel(problem=refused.problem, status=refused.status)
    except TimeoutError:
        return Panel(problem=_SLOW, status=504)
