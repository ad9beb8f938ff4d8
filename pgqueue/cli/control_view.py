"""What happened to a job out of the ordinary, for people."""

from typing import Any

from rich.text import Text

from .output import object_of, shown_time
from .secrets import safe


def control_lines(row: dict[str, Any]) -> list[Text]:
    """Who asked that a job ends, and how often stopping workers have cut it off; nothing for most jobs."""
    control = object_of(row["control"])
    lines = []
    if cancel := object_of(control.get("cancel")):
        lines.append(_cancel(cancel, row["state"] == "running"))
    if count := control.get("interrupted"):
        lines.append(f"interrupted {count} times: its worker stopped before it ended")
    return [Text(safe(line), "yellow") for line in lines]


def _cancel(cancel: dict[str, Any], runs: bool) -> str:
    note = f": {cancel['note']}" if "note" in cancel else ""
    line = f"cancel asked for by {cancel.get('by')} at {shown_time(cancel.get('at'))}{note}"
    if runs and "force_at" in cancel:
        line += f"; by force at {shown_time(cancel['force_at'])}"
    return line
