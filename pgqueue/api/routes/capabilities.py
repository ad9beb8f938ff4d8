"""What this server is and can do."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ...database.calls import install as install_calls
from ...version import __version__
from ..bodies.capabilities import Capabilities
from ..callers.caller import ANYONE
from ..endpoint import Endpoints
from ..here import at
from ..problems import PgQueueProblem

endpoints = Endpoints("insight")
FEATURES = [
    "jobs",
    "tasks",
    "results",
    "operations",
    "events",
    "queues",
    "limits",
    "schedules",
    "pools",
    "workflows",
    "dead letters",
    "HTTP workers",
    "workers",
    "insight",
    "keys",
    "problems",
    "health",
]  # the tags of the document

_PROBLEMS: dict[int | str, dict[str, Any]] = {"default": {"model": PgQueueProblem}}  # so that the document defines it


@endpoints.get("/capabilities", may=ANYONE, calls=("installed_version",), is_bound=True, model=Capabilities, responses=_PROBLEMS)
async def capabilities(request: Request) -> Response:
    """What this server is and can do: its version, that of the schema, whether it only reads, the tasks that it knows."""
    here = at(request)
    app = here.service.app
    found: dict[str, Any] = {
        "version": __version__,
        "schema_name": app.settings.schema_name,
        "schema_version": await here.run(install_calls.installed_version()),
        "is_read_only": await here.run(install_calls.is_read_only(app.settings.schema_name)),
        "features": FEATURES,
        "tasks": sorted(app.tasks),
    }
    return here.answer(found)
