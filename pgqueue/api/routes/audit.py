"""What people have done."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from ...control.audit import KINDS, VERBS, reading
from ..bodies.audit import AuditEntryOut
from ..bodies.pages import USUAL, Cursor, Limit, Page, Paging
from ..bodies.times import Since, read_when
from ..endpoint import Endpoints
from ..here import at

endpoints = Endpoints("insight")
_VERBS = f"one of {', '.join(VERBS)}"
_KINDS = f"one of {', '.join(KINDS)}"


@endpoints.get("/audit", may_lag=True, model=Page[AuditEntryOut])
async def audit(
    request: Request,
    since: Since = None,
    by: Annotated[str | None, Query(max_length=200, description="who, in full")] = None,
    verb: Annotated[str | None, Query(description=_VERBS)] = None,
    kind: Annotated[str | None, Query(description=_KINDS)] = None,
    subject: Annotated[str | None, Query(max_length=1000, description="the id or the name of what was changed")] = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
) -> Response:
    """What people have done, the newest first: who, when, to what, and how it was before and after."""
    here = at(request)
    paging = Paging(("audit", since, by, verb, kind, subject), limit, cursor, 2)
    at_time, id = paging.after
    before = None if at_time is None or id is None else (at_time, id)
    found = await here.run(reading(read_when("since", since), by, verb, kind, subject, paging.fetch, before=before))
    if not here.caller.may_read_arguments:
        found = [entry._replace(before=None, after=None, filter=None) for entry in found]
    return here.answer(paging.page(found, lambda entry: (entry.at, entry.id)))
