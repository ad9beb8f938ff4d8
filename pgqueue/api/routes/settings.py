"""What holds for the whole install."""

from starlette.requests import Request
from starlette.responses import Response

from ...database.calls.install import install_settings
from ..bodies.settings import SettingsOut
from ..endpoint import Endpoints
from ..here import at

endpoints = Endpoints("insight")


@endpoints.get("/settings", model=SettingsOut)
async def settings(request: Request) -> Response:
    """How long what is kept, and how much a job or a workflow may have. An operator changes these in SQL: the table `setting`."""
    here = at(request)
    return here.answer(await here.run(install_settings()))
