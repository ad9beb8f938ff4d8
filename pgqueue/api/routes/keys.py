"""API keys: make, list, revoke."""

from starlette.requests import Request
from starlette.responses import Response

from ...control.keys import new_key
from ...database.calls import keys as calls
from ...database.calls.keys import ApiKey, KeySpec
from .. import answers
from ..bodies.keys import KeyIn, KeyMade, KeyOut, Revoked
from ..bodies.pages import USUAL, Cursor, Limit, Page, Paging
from ..callers.caller import ADMINS
from ..endpoint import Endpoints
from ..here import Here, at
from ..problems import Problem

endpoints = Endpoints("keys")


@endpoints.post("/keys", may=ADMINS, calls=("create_key",), model=KeyMade, status=201)
async def create(request: Request, body: KeyIn) -> Response:
    """Make a key; it is answered this once, and cannot be read later.

    To replace a key, make a second one of the same name, give it to its user, and revoke the first.
    """
    here = at(request)
    expires_at = None if body.expires_at is None else body.expires_at.isoformat()
    spec = KeySpec(body.name or body.role, body.role, body.queues, body.may_read_arguments, expires_at, body.expires_after)
    with here.acting():
        made = new_key(spec)
        await here.act(made.store)
    stored = here.shown(await _one(here, made.id))
    # Not through the redactor, which may know `key` as the name of a secret: this is the one answer that is to hold it.
    path = f"{request.url.path.rstrip('/')}/{made.id}"
    return answers.json({**stored, "key": made.text}, 201, {"Location": path, "Cache-Control": "no-store"})


@endpoints.get("/keys", may=ADMINS, model=Page[KeyOut])
async def all_keys(request: Request, limit: Limit = USUAL, cursor: Cursor = None) -> Response:
    """Keys without their secrets, the newest first: those that have expired or were revoked, too."""
    here, paging = at(request), Paging(("keys",), limit, cursor, 2)
    found = await here.run(calls.keys(paging.fetch, paging.after))
    return here.answer(paging.page(found, lambda key: (key.created_at, key.id)))


@endpoints.get("/keys/{key_id}", may=ADMINS, refuses=(404,), model=KeyOut)
async def one_key(request: Request, key_id: str) -> Response:
    """One key without its secret."""
    here = at(request)
    return here.answer(await _one(here, key_id))


@endpoints.delete("/keys/{key_id}", may=ADMINS, calls=("revoke_key",), refuses=(404,), model=Revoked)
async def revoke(request: Request, key_id: str) -> Response:
    """Revoke a key: from now on it is refused. Other servers refuse it within a second."""
    here = at(request)
    with here.acting():
        revoked = await here.act(calls.revoke_key(_read(key_id)))
    here.service.keys.forget()
    return here.answer({"id": key_id, "revoked": revoked})


async def _one(here: Here, key_id: str) -> ApiKey:
    found = await here.run(calls.key(_read(key_id)))
    if not found:
        raise Problem("not-found", f"there is no key {key_id[:200]!r}; GET /keys lists them")
    return found[0]


def _read(key_id: str) -> str:
    """An id that can be sent to PostgreSQL; a whole key is not taken for one, so that no secret stands in a URL and works."""
    if not key_id.isalnum() or not key_id.isascii():
        raise Problem("not-found", "there is no such key: an id has 12 letters and digits; GET /keys lists them")
    return key_id
