"""API keys: make one, revoke one. A key is in one answer, and nowhere else: no cookie and no URL ever holds it."""

from typing import Any

from starlette.responses import Response

from ..ask import Refused
from ..page import Form, Pages, Visit

pages = Pages()
ROLES = {
    "viewer": "sees everything, changes nothing",
    "producer": "adds jobs and asks for their results",
    "worker": "runs jobs, as an HTTP worker does",
    "operator": "acts on jobs, queues, limits, schedules, workflows",
    "admin": "all of it, and these keys",
}
DAYS = {"": "never", "7": "in 7 days", "30": "in 30 days", "90": "in 90 days", "365": "in a year"}
_NEW = {"name": "", "role": "viewer", "queues": "", "days": "90", "hides_arguments": ""}


@pages.page("/settings/keys/new", of="POST /keys")
async def new_key(at: Visit) -> Response:
    """A form for a new key."""
    role = "admin" if _is_first(at) else _NEW["role"]
    return await _form(at, {**_NEW, "role": role}, None, 200)


@pages.act("/settings/keys/new", of="POST /keys")
async def create_key(at: Visit, form: Form) -> Response:
    """Make a key and show it, this once."""
    typed = {name: form.get(name, "") for name in _NEW}
    try:
        made = await at.tell("POST", "/keys", _body(form))
    except Refused as refused:
        return await _form(at, typed, refused.problem, refused.status)
    return await at.show("key_made.html", "A new key", 201, made=made, is_first=_is_first(at))


@pages.act("/settings/keys/{key_id}/revoke", of="DELETE /keys/{key_id}")
async def revoke_key(at: Visit, form: Form, key_id: str) -> Response:
    """Revoke a key, for good."""
    done = await at.tell("DELETE", f"/keys/{key_id}")
    return at.go("settings", said=f"Key {key_id} is revoked." if done["revoked"] else f"Key {key_id} was revoked before.")


def _body(form: Form) -> dict[str, Any]:
    queues = [name for name in form.get("queues", "").replace(",", " ").split() if name]
    days = form.get("days", "")
    return {
        "role": form.get("role"),
        "name": form.text("name"),
        "queues": queues or None,
        "may_read_arguments": "hides_arguments" not in form,
        "expires_after": float(days) * 86_400 if days in DAYS and days else None,
    }


async def _form(at: Visit, typed: dict[str, str], problem: dict[str, Any] | None, status: int) -> Response:
    facts = {"typed": typed, "problem": problem, "roles": ROLES, "days": DAYS, "is_first": _is_first(at)}
    return await at.show("key_new.html", "New API key", status, **facts)


def _is_first(at: Visit) -> bool:
    """Whether this person has come in because there is no key yet."""
    return at.desk.authorize is None and at.caller.key_id is None
