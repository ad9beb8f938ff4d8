"""What is wrong with the install."""

from datetime import datetime

import psycopg
from starlette.requests import Request
from starlette.responses import Response

from ...database.calls.doctor import NOUNS, first_seen
from ...errors import PgQueueError
from ..bodies.doctor import Examination, Troubles
from ..callers.caller import READERS, WORKERS
from ..endpoint import Endpoints
from ..here import Here, at

endpoints = Endpoints("insight")
_CHECKS = (*(f"diagnose_{noun}" for noun in NOUNS), "diagnose_zones", "zones_in_use")


@endpoints.get("/doctor", may=READERS | WORKERS, calls=_CHECKS, model=Examination)
async def doctor(request: Request) -> Response:
    """Examine the install, and how it is reached from this server. Nothing is changed; each check may take 2 s."""
    here = at(request)
    found = await here.service.examination.get()
    worst = found.findings[0].severity if found.findings else None
    since = await _since(here)
    findings = [one._asdict() | {"since": since.get((one.name, one.subject))} for one in found.findings]
    return here.answer({"at": found.at, "checks": found.checks, "worst": worst, "findings": findings})


async def _since(here: Here) -> dict[tuple[str, str], datetime]:
    """When workers saw what is wrong first; nothing if the database does not say: that is a finding, and no refusal."""
    try:
        return await here.run(first_seen())
    except (PgQueueError, psycopg.Error):
        return {}


@endpoints.get("/troubles", calls=("metrics",), model=Troubles)
async def troubles(request: Request) -> Response:
    """What is wrong now: what the figures of a moment show, and what a worker has found in its last examination.

    It costs little, unlike /doctor, so it may be asked each second; it is what `pgqueue top` shows in its first lines.
    """
    here = at(request)
    return here.answer(await here.service.wrong.get())
