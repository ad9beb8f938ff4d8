"""What is wrong with the install."""

from starlette.responses import Response

from ..page import Pages, Visit

pages = Pages()
SEVERITIES = {"error": "Errors", "warning": "Warnings", "note": "Notes"}


@pages.page("/doctor", of="GET /doctor")
async def doctor(at: Visit) -> Response:
    """The findings, the worst first."""
    return await at.show("doctor.html", "Doctor", examination=at.panel("/doctor"), severities=SEVERITIES)
