"""Options of `pgqueue worker` and `pgqueue agent` for probes."""

from typing import Annotated

import typer

from ..probes.address import Address

ProbePort = Annotated[
    int | None,
    typer.Option(
        "--probe-port", metavar="PORT", min=0, max=65535, help="Serve /live, /ready and /metrics there; off by default."
    ),
]
ProbeHost = Annotated[
    str, typer.Option("--probe-host", metavar="HOST", help="Address for --probe-port; only this machine by default.")
]


def read_probes(port: int | None, host: str) -> Address | None:
    """Where these options serve probes; None = nowhere."""
    return None if port is None else Address(port, host)
