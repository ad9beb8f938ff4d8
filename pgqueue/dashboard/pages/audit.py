"""What people have done."""

from starlette.responses import Response

from ...control.audit import KINDS, VERBS
from ..page import Pages, Visit

pages = Pages()
FIELDS = ("verb", "kind", "by", "subject", "since")


@pages.page("/audit", of="GET /audit")
async def audit(at: Visit) -> Response:
    """The changes, the newest first."""
    filter = {name: at.query.get(name) or None for name in FIELDS}
    entries = at.panel("/audit", **filter, cursor=at.query.get("cursor"), limit=50)
    return await at.show("audit.html", "Audit", entries=entries, filter=filter, verbs=sorted(VERBS), kinds=sorted(KINDS))
