"""Who gives a command: kept with what it changes."""

import getpass
import socket

MOST = 200  # characters that SQL takes


def me() -> str:
    """The user of the operating system @ the name of the machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may have no name for its user
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:MOST]
