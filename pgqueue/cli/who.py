"""Who gives a command: kept with what it changes."""

import getpass
import socket
from typing import Annotated

import typer

MOST = 200  # characters that SQL takes
By = Annotated[str | None, typer.Option("--by", metavar="WHO", help="Who does it; you on this machine by default.")]


def who(by: str | None) -> str:
    """Who asks: as given, or `me`."""
    return me() if by is None else by


def me() -> str:
    """The user of the operating system @ the name of the machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may have no name for its user
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:MOST]
