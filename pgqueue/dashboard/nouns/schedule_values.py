"""The values of a schedule as forms show and send them: times are those of the clock in its zone."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ...api import exact
from ...api.problems import invalid
from ...redact import MARK
from ...schedules.zones import instant, read_zone
from ..form import Form
from ..render import in_zone, json_text

TIMES = ("starts_at", "ends_at")
NUMBERS = ("every", "most", "spacing", "window", "jitter")
OF_TIMES = ("cron", "every", "timezone", *TIMES)  # what decides when it fires
OF_JOB = ("task", "args", "queue", "priority")
NAMES = (*OF_TIMES, "misfire", "most", "spacing", "window", "overlap", "jitter")
NEW = {
    "cron": "", "every": "", "timezone": "UTC", "starts_at": "", "ends_at": "", "misfire": "coalesce",
    "most": "10", "spacing": "1", "window": "86400", "overlap": "allow", "jitter": "0",
    "task": "", "args": "{}", "queue": "", "priority": "",
}  # fmt: skip
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_WHOLE = re.compile(r"-?[0-9]{1,15}")


def texts_of(schedule: Mapping[str, Any]) -> dict[str, str]:
    """A schedule of the API as the form shows it."""
    zone, job = schedule["timezone"], schedule["job"]
    return {
        **{name: str(schedule[name]) for name in ("timezone", "misfire", "overlap")},
        **{name: "" if schedule[name] is None else number_text(schedule[name]) for name in NUMBERS},
        **{name: on_clock(schedule[name], zone) for name in TIMES},
        "cron": "\n".join(schedule["cron"] or ()),
        "task": job["task"],
        "args": "" if job["args"] is None else json_text(job["args"]),
        "queue": job["queue"] or "",
        "priority": "" if job["priority"] is None else str(job["priority"]),
    }


def typed_in(form: Form) -> dict[str, str]:
    """What was typed into the form; of what it does not have, nothing."""
    return {name: (form.text(name) or "").replace("\r\n", "\n") for name in NEW if name in form}


def body_of(typed: Mapping[str, str], before: Mapping[str, str] = {}) -> dict[str, Any]:
    """What the form changes, as the API takes it.

    Args:
        typed: into the form.
        before: as it was; empty for a new schedule, in which what is empty has its default.

    Raises:
        Problem: a time, or the arguments, cannot be read.
    """
    changed = {name for name, text in typed.items() if text != before.get(name, "")}
    if "timezone" in changed:
        changed |= {name for name in TIMES if typed.get(name)}  # the same time of another clock is another time
    body = {name: value_of(name, typed) for name in NAMES if name in changed}
    body = {name: value for name, value in body.items() if value is not None or name not in ("cron", "every")}
    job = {name: value_of(name, typed) for name in OF_JOB if name in changed}
    return body | ({"job": job} if job else {})


def value_of(name: str, typed: Mapping[str, str]) -> Any:
    """One value as the API takes it; None if nothing was typed. Raises Problem."""
    text = typed[name]
    if not text:
        return None
    if name == "cron":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if name in TIMES:
        return instant_of(name, text, typed.get("timezone") or "UTC")
    if name == "args":
        return arguments(text)
    if (name in NUMBERS and _NUMBER.fullmatch(text)) or (name == "priority" and _WHOLE.fullmatch(text)):
        return float(text) if "." in text else int(text)
    return text  # what is no number is refused by the API, which says why


def instant_of(name: str, text: str, zone: str) -> str:
    """A time of the clock in a zone as a time; in a gap, when the gap ends. Raises Problem."""
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(name, text, "give a date and a time, such as 2026-12-24T18:00") from None
    if wall.tzinfo is not None:
        return wall.isoformat()
    return instant(wall, read_zone(zone)).isoformat()


def on_clock(time: str | None, zone: str) -> str:
    """A time as an input of a browser takes it, on the clock of a zone."""
    if time is None:
        return ""
    return in_zone(datetime.fromisoformat(time), zone).replace(tzinfo=None, microsecond=0).isoformat()


def arguments(text: str) -> Any:
    """Arguments as they are written. Raises Problem if they are no JSON, or were shown without their secrets."""
    if MARK in text:
        raise invalid("args", MARK, "write the secret itself in its place: it is not shown, and would be lost")
    try:
        return exact.read(text.encode())
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "the text"
        raise invalid("args", text[:100], f'use a JSON object, such as {{"region": "eu"}}; look at {where}') from None


def number_text(value: Any) -> str:
    """A number as people write it."""
    return f"{value:.15g}" if isinstance(value, int | float) else exact.write(value).decode()
