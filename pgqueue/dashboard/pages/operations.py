"""Operations: verbs on many jobs, how far they are, and the question before one starts."""

from typing import Any

from starlette.responses import Response

from ...errors import InvalidArgument
from ..guard import back_of
from ..nouns import filter_text
from ..page import Form, Pages, Visit
from ..render import query

pages = Pages()
# The verbs that a page offers: the kind of the operation, and whether it cannot be undone.
VERBS = {
    "cancel": ("cancel", True),
    "retry": ("retry", False),
    "priority": ("update", False),
    "move": ("update", False),
    "discard": ("discard", True),
}

LOOK = 10_000  # jobs at which the question before an operation looks, to say how many they are


@pages.page("/operations", of="GET /operations")
async def operations(at: Visit) -> Response:
    """Operations, the newest first."""
    only_open = True if at.query.get("only_open") else None
    found = at.panel("/operations", only_open=only_open, cursor=at.query.get("cursor"), limit=50)
    return await at.show("operations.html", "Operations", operations=found, filter={"only_open": only_open and 1})


@pages.page("/operations/new", of="POST /operations")
async def new(at: Visit) -> Response:
    """The question before a verb on many jobs: what it is about, how many they are, and why."""
    verb, q, is_all = at.query.get("do", ""), at.query.get("q", "").strip(), at.query.get("all") == "1"
    ids = [] if is_all else filter_text.ids_of(at.request.query_params.getlist("id"))
    if verb not in VERBS:
        raise InvalidArgument(f"do: {verb!r} is not valid; use {', '.join(VERBS)}")
    kind, destroys = VERBS[verb]
    preview = None
    if is_all or ids:
        meant: dict[str, Any] = {"q": q or None, "all": True} if is_all else {"ids": ids}
        preview = at.panel("/operations/preview", kind=kind, look=LOOK, **meant)
    facts: dict[str, Any] = {
        "verb": verb,
        "q": q,
        "is_all": is_all,
        "ids": ids,
        "destroys": destroys,
        "back": "jobs" + query(q=q),
    }
    facts["has_states"] = bool(filter_text.states(q))
    return await at.show("operation_new.html", f"{verb.capitalize()} jobs", preview=preview, **facts)


@pages.act("/operations/new", of="POST /operations")
async def start(at: Visit, form: Form) -> Response:
    """Start an operation."""
    verb = form.get("do", "")
    if verb not in VERBS:
        raise InvalidArgument(f"do: {verb!r} is not valid; use {', '.join(VERBS)}")
    is_all, ids = form.get("all") == "1", filter_text.ids_of(form.all("id"))
    body = {
        "kind": VERBS[verb][0],
        "filter": {"q": form.get("q", "")} if is_all else {"ids": ids},
        "spec": _spec(verb, form),
        "reason": form.text("reason"),
        "per_second": form.number("per_second"),
        "all": is_all,
    }
    begun = await at.tell("POST", "/operations", {name: value for name, value in body.items() if value is not None})
    return at.go(f"operations/{begun['id']}", said=f"Operation {begun['id']} has started.")


@pages.page("/operations/{operation_id}", of="GET /operations/{operation_id}")
async def operation(at: Visit, operation_id: str) -> Response:
    """One operation: how far it is, for whom and why."""
    found = await at.ask(f"/operations/{operation_id}")
    facts = {"it": found, "text": filter_text.text_of(found["filter"]), "share": _share(found)}
    return await at.show("operation.html", f"Operation {found['id']}", **facts)


@pages.act("/operations/{operation_id}/cancel", of="POST /operations/{operation_id}/cancel")
async def cancel(at: Visit, form: Form, operation_id: str) -> Response:
    """End an operation."""
    await at.tell("POST", f"/operations/{operation_id}/cancel")
    return at.go(back_of(at, form), said=f"Operation {operation_id} is cancelled: what is done stays.")


def _share(operation: dict[str, Any]) -> float:
    """Which part of its jobs it has looked at."""
    over = operation["done"] + operation["skipped"] + operation["failed"]
    return 1.0 if operation["state"] == "done" else over / max(operation["matched"], 1)


def _spec(verb: str, form: Form) -> dict[str, Any]:
    """The options of a verb."""
    if verb == "move":
        return {"queue": form.text("queue") or ""}
    return {"priority": form.number("priority")} if verb == "priority" else {}
