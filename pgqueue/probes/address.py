"""Where probes are served."""

from typing import NamedTuple

LOOPBACK = "127.0.0.1"


class Address(NamedTuple):
    """Where to listen.

    Attributes:
        port: 0 = any that is free.
        host: only this machine by default.
    """

    port: int
    host: str = LOOPBACK
