"""Forms of schedules: a new one, the values of one, the jobs of ticks in the past. Each shows first what it would do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from zoneinfo import available_timezones

from starlette.responses import Response

from ...api.problems import KINDS, Problem
from ...errors import InvalidArgument
from ..ask import Refused
from ..form import Form
from ..nouns.schedule_values import NEW, OF_TIMES, body_of, instant_of, texts_of, typed_in, value_of
from ..page import Pages, Visit
from ..render import url
from .schedules import may_make

pages = Pages()
SHOWN = 10  # ticks of a preview


@pages.page("/schedules/+new", of="POST /schedules")
async def new(at: Visit) -> Response:
    """The form of a new schedule."""
    if not may_make(at):
        raise Refused(403, {"title": KINDS["forbidden"].title, "detail": "A new schedule needs the role admin.", "remedy": ""})
    return await _show(at, None, {"name": "", **NEW, "task": at.query.get("task", "")})


@pages.act("/schedules/+new", of="POST /schedules")
async def make(at: Visit, form: Form) -> Response:
    """Show its ticks, or make it."""
    typed = {**NEW, **typed_in(form)}
    values = {"name": form.text("name") or "", **typed}
    try:
        if form.get("do") == "preview":
            return await _show(at, None, values, preview=await _preview(at, values))
        body = {"name": values["name"], **_read(typed, {})}
        await at.tell("POST", "/schedules", body)
    except Refused as refused:
        return await _show(at, None, values, refused)
    return at.go(f"schedules/{url(values['name'])}", said=f"The schedule {values['name']} is made. It fires at its next tick.")


@pages.page("/schedules/{name}/edit", of="PATCH /schedules/{name}")
async def edit(at: Visit, name: str) -> Response:
    """The form of the values of a schedule."""
    one = await at.ask(f"/schedules/{name}")
    return await _show(at, one, {"name": name, **texts_of(one)})


@pages.act("/schedules/{name}/edit", of="PATCH /schedules/{name}")
async def save(at: Visit, form: Form, name: str) -> Response:
    """Show its ticks, or change what was changed in the form, unless somebody else was faster."""
    one = await at.tell("GET", f"/schedules/{name}")  # as it is now, and not as somebody was shown it a moment ago
    before = texts_of(one)
    values = {"name": name, **before, **typed_in(form)}
    try:
        if form.get("do") == "preview":
            return await _show(at, one, values, preview=await _preview(at, values), seen=form.get("seen"))
        changes = _read(typed_in(form), before)
        if changes and form.get("seen") != _mark(one):
            raise Refused(409, {"title": "The schedule has changed meanwhile", "detail": f"it fires now {one['description']}",
                                "remedy": "Look at your values again, and save once more."})  # fmt: skip
        if changes:
            await at.tell("PATCH", f"/schedules/{name}", changes)
    except Refused as refused:
        return await _show(at, one, values, refused, seen=_mark(one) if refused.status == 409 else form.get("seen"))
    said = f"{name} is changed; workers follow within a second." if changes else "Nothing was changed."
    return at.go(f"schedules/{url(name)}", said=said)


@pages.page("/schedules/{name}/backfill", of="POST /schedules/{name}/backfill")
async def ask_backfill(at: Visit, name: str) -> Response:
    """The form of a backfill."""
    return await _show_backfill(at, await at.ask(f"/schedules/{name}"), {"since": "", "until": "", "priority": "low"})


@pages.act("/schedules/{name}/backfill", of="POST /schedules/{name}/backfill")
async def backfill(at: Visit, form: Form, name: str) -> Response:
    """Count the jobs, or make them."""
    one = await at.ask(f"/schedules/{name}")
    values = {field: form.text(field) or "" for field in ("since", "until", "priority")}
    try:
        body = _range(values, one["timezone"])
        if form.get("do") != "make":
            counted = (await at.tell("POST", f"/schedules/{name}/backfill", {**body, "dry_run": True}))["jobs"]
            return await _show_backfill(at, one, values, counted=counted)
        made = (await at.tell("POST", f"/schedules/{name}/backfill", body))["jobs"]
    except Refused as refused:
        return await _show_backfill(at, one, values, refused)
    return at.go(f"schedules/{url(name)}", said=f"{made:,} {'job is' if made == 1 else 'jobs are'} made.")


async def _show(
    at: Visit,
    one: Mapping[str, Any] | None,
    values: Mapping[str, Any],
    refused: Refused | None = None,
    preview: Any = None,
    seen: str | None = None,
) -> Response:
    title = "New schedule" if one is None else f"Edit {one['name']}"
    facts = {"one": one, "values": values, "preview": preview, "zones": sorted(available_timezones()), "may_make": may_make(at)}
    mark = "" if one is None else seen or _mark(one)
    return await at.show("schedule_form.html", title, _status(refused), seen=mark, problem=_problem(refused), **facts)


async def _show_backfill(
    at: Visit, one: Mapping[str, Any], values: Mapping[str, str], refused: Refused | None = None, counted: int | None = None
) -> Response:
    facts = {"one": one, "values": values, "counted": counted, "problem": _problem(refused)}
    return await at.show("schedule_backfill.html", f"Backfill {one['name']}", _status(refused), **facts)


async def _preview(at: Visit, values: Mapping[str, str]) -> Any:
    with_zone = {"timezone": values["timezone"] or "UTC"}
    times = {name: value for name in OF_TIMES if (value := _one(name, values)) is not None} | with_zone
    return await at.tell("POST", "/schedules/preview", {**times, "name": values["name"] or None, "n": SHOWN})


def _one(name: str, values: Mapping[str, str]) -> Any:
    with _as_refusal():
        return value_of(name, values)


def _read(typed: Mapping[str, str], before: Mapping[str, str]) -> dict[str, Any]:
    with _as_refusal():
        return body_of(typed, before)


def _range(values: Mapping[str, str], zone: str) -> dict[str, Any]:
    with _as_refusal():
        times = {"from": instant_of("since", values["since"], zone), "to": instant_of("until", values["until"], zone)}
    return times | ({"priority": values["priority"]} if values["priority"] else {})


@contextmanager
def _as_refusal() -> Iterator[None]:
    """What a form cannot read is refused as the API refuses it."""
    try:
        yield
    except InvalidArgument as error:
        raise _refusal(str(error), str(error).partition(":")[0]) from None
    except Problem as problem:
        raise _refusal(problem.detail, problem.members.get("field")) from None


def _refusal(detail: str, field: str | None) -> Refused:
    kind = KINDS["invalid"]
    return Refused(kind.status, {"title": kind.title, "detail": detail, "remedy": kind.remedy, "field": field})


def _mark(one: Mapping[str, Any]) -> str:
    """What says whether a schedule has changed: its values, and not what came of its ticks."""
    return sha256(repr(sorted(texts_of(one).items())).encode()).hexdigest()[:16]


def _status(refused: Refused | None) -> int:
    return 200 if refused is None else refused.status


def _problem(refused: Refused | None) -> dict[str, Any] | None:
    return None if refused is None else refused.problem
