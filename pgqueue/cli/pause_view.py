"""Pauses for people."""

from rich.text import Text

from ..database.calls.queues import Pause
from .output import console, shown
from .secrets import safe


def print_pauses(pauses: list[Pause]) -> None:
    """A line for each pause."""
    out = console()
    for one in pauses:
        out.print(Text(safe(f"{said(one)} (since {shown(one.paused_at)})"), "yellow"), soft_wrap=True)


def said(pause: Pause) -> str:
    """A pause in one line, with its time for people."""
    return pause.said(lambda at: str(shown(at)))
