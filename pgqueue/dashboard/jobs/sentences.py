"""Sentences of the API about a job, with times that go on counting."""

import re
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from ..._text import harmless
from ..render import url, when

# "at …" becomes "3 min ago"; behind any other word the time itself stays, too.
_TIME = re.compile(
    r"(?P<at>\bat )?(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC(?P<far> \((?:in )?[\d.,]+ \w+(?: \d+ \w+)?(?: ago)?\))?"
)
_LATER = {"later", "retry", "snoozed", "put_off"}
_LIMITED = {"limit_tokens", "limit_saving", "limit_parked"}
_LEADS = {
    "signal": "Waits for a signal",
    "parents": "Waits for other jobs",
    "limit_places": "Waits for a limit",
    "paused": "Is paused",
    "no_worker": "No worker takes it",
    "unknown_task": "No worker knows its task",
    "suspect": "Waits for a worker of its own",
    "busy": "Is in line",
    "queued": "Is in line",
    "next": "Is next in line",
    "due": "Is due",
    "locked": "Is locked",
    "expired": "Has expired",
    "running": "Runs",
    "worker_lost": "Its worker is lost",
    "cancel_asked": "Is asked to stop",
}


def sentence(text: str) -> Markup:
    """A sentence in which how far a time is away is kept up to date by the page. All else is escaped."""
    text = harmless(text[:1].upper() + text[1:])
    parts, at = list[Markup](), 0
    for found in _TIME.finditer(text):
        parts.append(escape(text[at : found.start()]))
        parts.append(_time(found))
        at = found.end()
    return Markup("").join([*parts, escape(text[at:])])


def lead(cause: dict[str, Any]) -> Markup:
    """The cause in two words, and when it ends; nothing where the sentence says just that."""
    name, until = cause["cause"], cause["until"]
    if until is not None and name in _LATER:
        return Markup("Runs {}").format(when(until))
    if until is not None and name in _LIMITED:
        return Markup("Can run {}").format(when(until))
    return escape(_LEADS.get(name, ""))


def links(cause: dict[str, Any], queue: str) -> list[tuple[str, str, str]]:
    """Where to go on from a cause: paths below the dashboard, their words, and the endpoint that shows what is there."""
    name, details = cause["cause"], cause["details"]
    found = list[tuple[str, str, str]]()
    if "key" in details:
        found.append((f"limits/{url(details['key'])}", "the limit", "GET /limits/{key:path}"))
        found += [(f"jobs/{url(id)}", f"job {id}", "GET /jobs/{job_id}") for id in details.get("jobs", [])[:5]]
    if name == "paused":
        found.append((f"queues/{url(queue)}", "the queue", "GET /queues"))
    if name in ("no_worker", "unknown_task", "busy", "due"):
        found.append(("workers", "the workers", "GET /workers"))
    if details.get("operation_id") is not None:
        found.append((f"operations/{url(details['operation_id'])}", "the operation", "GET /operations"))
    if details.get("runs_as") is not None:
        found.append((f"jobs/{url(details['runs_as'])}", f"job {details['runs_as']}", "GET /jobs/{job_id}"))
    return found


def _time(found: re.Match[str]) -> Markup:
    try:
        far = when(datetime.fromisoformat(found["time"]).replace(tzinfo=UTC))
    except ValueError:
        return escape(found[0])
    return far if found["at"] else Markup("{} UTC ({})").format(found["time"], far)
