"""Forms of limits: a new one, and the values of one."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.responses import Response

from ...limits.limit import words
from ..ask import Refused
from ..form import Form
from ..nouns.limits import plain
from ..page import Pages, Visit
from .limits import page_of

pages = Pages()
NEW = {"rate": "", "burst": "", "max_running": "", "counts": "cost", "weight": "1", "retry_blocks": "", "enabled": "yes"}
_NUMBERS = ("burst", "max_running", "weight")
_FLAGS = ("retry_blocks", "enabled")
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")


@pages.page("/limits/+new", of="PUT /limits/{key:path}")
async def new(at: Visit) -> Response:
    """The form of a new limit; with the values of the limit that its key has now."""
    name = at.query.get("name", "")
    values = dict(NEW)
    if name:
        with suppress(Refused):  # nothing has limited this key so far
            values = texts_of(await at.ask(f"/limits/{name}", count_to=1))
    return await _show(at, "New limit", {"name": name, **values}, None)


@pages.act("/limits/+new", of="PUT /limits/{key:path}")
async def make(at: Visit, form: Form) -> Response:
    """Make it, unless there is one."""
    name, typed = form.text("name") or "", typed_in(form)
    try:
        if await _is_there(at, name):
            raise Refused(409, {"title": "There is such a limit", "detail": f"{name} is there already", "field": "name",
                                "remedy": "Use another name, or edit that one."})  # fmt: skip
        await at.tell("PUT", f"/limits/{name}", body_of(typed))
    except Refused as refused:
        return await _show(at, "New limit", {"name": name, **typed}, refused)
    return at.go(page_of(name), said=f"The limit {name} is made. It applies at once, also to jobs that wait.")


@pages.page("/limits/+edit", of="PATCH /limits/{key:path}")
async def edit(at: Visit) -> Response:
    """The form of the values of a limit."""
    if not at.query.get("key"):
        return at.go("limits")
    one = await at.ask(f"/limits/{at.query['key']}", count_to=1)
    return await _show(at, f"Edit {one['key']}", {**texts_of(one), "name": one["key"], "seen": one["changed_at"]}, None)


@pages.act("/limits/+edit", of="PATCH /limits/{key:path}")
async def save(at: Visit, form: Form) -> Response:
    """Change what was changed in the form, unless somebody else was faster."""
    key, typed, one = at.query.get("key", ""), typed_in(form), None
    try:
        one = await at.tell("GET", f"/limits/{key}", count_to=1)  # as it is now, and not as somebody was shown it a moment ago
        changes = changes_of(texts_of(one), typed)
        if changes and form.get("seen") != one["changed_at"]:
            raise Refused(409, {"title": "The limit has changed meanwhile", "detail": f"it is now: {_in_words(one)}",
                                "remedy": "Look at your values again, and save once more."})  # fmt: skip
        if changes:
            await at.tell("PATCH", f"/limits/{key}", changes)
    except Refused as refused:
        seen = one["changed_at"] if one and refused.status == 409 else form.get("seen")
        return await _show(at, f"Edit {key}", {**typed, "name": key, "seen": seen}, refused)
    return at.go(page_of(key), said=f"{key} is changed; it applies at once." if changes else "Nothing was changed.")


async def _show(at: Visit, title: str, values: Mapping[str, Any], refused: Refused | None) -> Response:
    problem = None if refused is None else refused.problem
    status = 200 if refused is None else refused.status
    return await at.show("limit_form.html", title, status, values=values, problem=problem)


async def _is_there(at: Visit, name: str) -> bool:
    try:
        return bool((await at.tell("GET", f"/limits/{name}", count_to=1))["limit_name"] == name)
    except Refused as refused:
        if refused.status != 404:
            raise
        return False


def texts_of(limit: Mapping[str, Any]) -> dict[str, str]:
    """The values of a limit as the form shows them."""
    rate, per = plain(limit["rate"]), plain(limit["per"])
    numbers = {name: f"{number:.15g}" if (number := plain(limit[name])) is not None else "" for name in _NUMBERS}
    return {
        **numbers,
        "rate": "" if rate is None else words(rate, per, None, True, None, False),
        "burst": numbers["burst"] if rate is not None else "",
        "counts": limit["counts"] or "cost",
        "weight": numbers["weight"] or "1",
        **{name: "yes" if limit[name] else "" for name in _FLAGS},
    }


def typed_in(form: Form) -> dict[str, str]:
    """What was typed into the form."""
    return {name: form.text(name) or "" for name in NEW}


def body_of(typed: Mapping[str, str]) -> dict[str, Any]:
    """A whole limit, as the API takes it: what is empty has its default."""
    return {name: _value(name, text) for name, text in typed.items() if text or name in _FLAGS}


def changes_of(before: Mapping[str, str], typed: Mapping[str, str]) -> dict[str, Any]:
    """The fields that differ, as the API takes them. A burst that was emptied is the default of its rate."""
    changed = {name: _value(name, text) for name, text in typed.items() if text != before[name]}
    if changed.get("burst", 0) is None and "rate" not in changed and typed["rate"]:
        changed["rate"] = typed["rate"]
    return {name: value for name, value in changed.items() if not (name == "burst" and value is None)}


def _value(name: str, text: str) -> Any:
    if name in _FLAGS:
        return text == "yes"
    if name in _NUMBERS and _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text or None  # what is no number is refused by the API, which says why


def _in_words(limit: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {text or 'none'}" for name, text in texts_of(limit).items())
