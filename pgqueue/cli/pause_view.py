"""Pauses for people."""

from ..database.calls.queues import Pause
from .output import say_wrapped, shown
from .secrets import safe


def print_pauses(pauses: list[Pause]) -> None:
    """A line for each pause."""
    for one in pauses:
        say_wrapped(safe(f"{said(one)} (since {shown(one.paused_at)})"), "yellow")


def said(pause: Pause) -> str:
    """A pause in one line, with its time for people."""
    return pause.said(lambda at: str(shown(at)))
