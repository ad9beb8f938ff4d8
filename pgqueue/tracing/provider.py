"""Whether this process has OpenTelemetry set up. This file never imports it by itself."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .otel import Telemetry


def active() -> "Telemetry | None":
    """What makes spans and metrics; None if no SDK is set up.

    Whoever sets up an SDK has imported the API: without it, this is one look into a dict.
    """
    if "opentelemetry.trace" not in sys.modules and "opentelemetry.metrics" not in sys.modules:
        return None
    from .otel import current

    return current()


def flush(within: float) -> None:
    """Let an SDK send what it holds, before a process ends without its usual exit. `within`: seconds."""
    if (telemetry := active()) is not None:
        telemetry.flush(within)
