"""The stream that tells open pages when to ask anew."""

from starlette.requests import Request
from starlette.responses import Response

from ..api.events.streams import Stream
from . import door
from .desk import Desk
from .live import Changes


async def stream(desk: Desk, request: Request) -> Response:
    """Signals for whoever may look."""
    await door.enter(desk, request)
    streams = desk.service.streams
    source = await streams.source(("dashboard", id(desk)), lambda: Changes(streams.tools, desk.answers, desk.service.replica))
    return Stream(streams, source, request.headers.get("last-event-id"))
