"""A dead letter that runs again with other arguments."""

from typing import Any

from starlette.responses import Response

from ...api import exact
from ...redact import MARK
from ..ask import Refused
from ..page import Form, Pages, Visit
from ..render import json_text

pages = Pages()
MOST = 65_536  # characters that are edited in a page
_WHY_NOT = {
    "role": "New arguments need the role admin. Whoever has it can run the job again with others.",
    "hidden": "You may not read arguments, so you cannot change them here.",
    "redacted": "Its arguments hold secrets, which are not shown. Change them where they are known: "
    "app.retry(id, args={…}) in Python, or pgqueue retry.",
    "large": "Its arguments are too large to edit in a page. Change them in Python: app.retry(id, args={…}).",
}


@pages.page("/dead-letters/jobs/{job_id}/edit", of="POST /jobs/{job_id}/retry")
async def edit(at: Visit, job_id: str) -> Response:
    """A form with its arguments."""
    letter = await at.ask(f"/dead-letters/{job_id}")
    return await _form(at, letter, json_text(letter["args"]), None, 200)


@pages.act("/dead-letters/jobs/{job_id}/edit", of="POST /jobs/{job_id}/retry")
async def retry_changed(at: Visit, form: Form, job_id: str) -> Response:
    """Run it again with what was typed. What is refused stands beside it, and nothing that was typed is lost."""
    letter = await at.ask(f"/dead-letters/{job_id}")
    typed = form.get("args", "")
    try:
        again = await at.tell("POST", f"/jobs/{job_id}/retry", {"args": _read(typed), "force": "force" in form})
    except Refused as refused:
        return await _form(at, letter, typed, refused.problem, refused.status)
    said = f"Job {again['runs_as']} runs again, with other arguments."
    if again["duplicate"]:
        said = f"Job {again['runs_as']} has its unique key and is live; the dead letter stays."
    return at.go(f"dead-letters/{letter['fingerprint']}" if letter["fingerprint"] else "dead-letters", said=said)


def _read(typed: str) -> Any:
    """Arguments as JSON, with their numbers as they were typed. Raises Refused."""
    if MARK in typed:
        raise _refused(f"a value is {MARK}, which stands for a secret; write what it is meant to be")
    try:
        found = exact.read(typed.encode())
    except (ValueError, RecursionError) as error:
        raise _refused(f"this is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise _refused('arguments are an object with a member for each: {"user": 5}')
    return found


def _refused(detail: str) -> Refused:
    return Refused(422, {"title": "The arguments are not valid", "detail": detail, "remedy": "Mend them, and send them again."})


async def _form(at: Visit, letter: dict[str, Any], typed: str, problem: dict[str, Any] | None, status: int) -> Response:
    facts = {"letter": letter, "typed": typed, "problem": problem, "why_not": _WHY_NOT.get(_obstacle(at, letter, typed))}
    return await at.show("dead_edit.html", f"Edit job {letter['id']}", status, **facts)


def _obstacle(at: Visit, letter: dict[str, Any], typed: str) -> str:
    """Why arguments cannot be changed here; empty if they can."""
    if at.caller.role != "admin":  # the API says so, too, but only once they were typed
        return "role"
    if letter["args"] is None:
        return "hidden"
    if MARK in json_text(letter["args"]):
        return "redacted"
    return "large" if len(typed) > MOST else ""
