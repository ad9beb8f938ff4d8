"""What a stream tells of: each source looks at the database for all of its readers, and keeps what the slower ones still need.

A source has a state, and each reader a mark up to which it has been told, which is the id of its last event. So a reader costs no
memory, and one that comes again with its mark goes on where it was.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar

from fastapi.sse import format_sse_event

from ...database.call import Call
from .. import exact
from ..waiting.hub import Hub, JobEar

T = TypeVar("T")
TICK = 1.0  # seconds from one look to the next without a notification
RESET = "reset"


class Run(Protocol):
    """Runs a call."""

    async def __call__(self, call: Call[T]) -> T: ...


Shown = Callable[[Any], Any]  # as it may be seen: ids as texts, secrets left out


class Tools(NamedTuple):
    """What sources need.

    Attributes:
        run: runs a call.
        hub: notifications.
        shown: leaves secrets out of a value.
    """

    run: Run
    hub: Hub
    shown: Shown


class Event(NamedTuple):
    """An event for a reader.

    Attributes:
        mark: of the reader that has been told this event; the id of the event.
        name: the kind.
        data: as JSON.
    """

    mark: str
    name: str
    data: Any

    def written(self) -> bytes:
        """As it is sent."""
        return format_sse_event(data_str=exact.shown(self.data).decode(), event=self.name, id=self.mark)


def reset(mark: str, reason: str) -> Event:
    """Says that something was not told."""
    return Event(mark, RESET, {"reason": reason, "remedy": "read anew what you show; the stream goes on from here"})


class Source:
    """Something that is watched for any number of readers.

    Attributes:
        readers: how many there are.
        is_over: whether nothing more will be told.
        lingers: seconds for which it goes on without readers.
    """

    lingers = 0.0

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self.readers = 0
        self.is_over = False
        self._news = asyncio.Event()

    def ear(self) -> JobEar:
        """What wakes it for the next look."""
        raise NotImplementedError

    async def look(self) -> bool:
        """Look once. Returns whether there is anything new."""
        raise NotImplementedError

    def pause(self) -> float:
        """Seconds until the next look without a notification."""
        return TICK

    def after(self, mark: str | None) -> Iterator[Event]:
        """The events that a reader with this mark has not been told; None = a new one."""
        raise NotImplementedError

    def tell(self) -> None:
        """Wake the readers."""
        self._news.set()
        self._news = asyncio.Event()

    def news(self) -> Awaitable[Any]:
        """Waits until `tell`."""
        return self._news.wait()
