"""Pools: their states in the colours of the pages, decisions as marks of a chart, and the form of their values."""

from typing import Any, NamedTuple

from ..form import Form

ABOUT_POOLS = ("pool-without-agent", "pool-cannot-start", "pool-without-room", "pool-short")  # findings of doctor
# The colour of a state of a job for each status of a pool, a slot, a worker and an agent.
SHOWN = {
    "steady": "succeeded", "scaling": "running", "rolling": "running", "no_agent": "failed", "no_room": "failed",
    "paused": "cancelled", "deleting": "scheduled",
    "FREE": "scheduled", "STARTING": "running", "LEAVING": "cancelled",
    "ACTIVE": "succeeded", "IDLE": "ready", "DRAINING": "cancelled", "PAUSED": "cancelled", "DEAD": "failed",
}  # fmt: skip
_MARKED = {
    "scaled": "running", "scaled_up": "running", "scaled_down": "running", "refused": "failed", "cannot_start": "failed",
    "agent_lost": "failed", "rolled": "cancelled", "paused": "cancelled", "resumed": "cancelled",
}  # fmt: skip
NUMBERS = ("minimum", "maximum", "concurrency", "max_unavailable")


class Mark(NamedTuple):
    """A moment of a chart.

    Attributes:
        at: when, in ISO format.
        colour: that of a state.
        says: what happened.
    """

    at: str
    colour: str
    says: str


def marks_of(events: Any) -> list[Mark]:
    """The decisions among events, as the API answers them; none without an answer."""
    return [
        Mark(event["at"], _MARKED[event["kind"]], _words(event))
        for event in (events or {}).get("items", ())
        if event["kind"] in _MARKED
    ]


def _words(event: dict[str, Any]) -> str:
    kind = event["kind"].replace("_", " ")
    return kind if event["after"] is None else f"{kind} to {event['after']}"


def changes_of(form: Form) -> dict[str, Any]:
    """What a form changes of a pool; an empty field stays as it is, but for the queues: none named are all of the app."""
    numbers = {field: value for field in NUMBERS if (value := form.number(field)) is not None}
    if "queues" not in form:
        return numbers
    return numbers | {"queues": [queue.strip() for queue in form["queues"].split(",") if queue.strip()]}
