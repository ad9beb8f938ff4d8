"""The install and its API keys."""

from starlette.responses import Response

from ..page import Pages, Visit

pages = Pages()


@pages.page("/settings", of="GET /keys")
async def settings(at: Visit) -> Response:
    """What holds for the install, and who has keys."""
    keys = at.panel("/keys", limit=50, cursor=at.query.get("cursor"))
    install, server = at.panel("/settings"), at.panel("/capabilities")
    return await at.show("settings.html", "Settings", keys=keys, install=install, server=server)
