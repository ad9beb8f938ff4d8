"""What an SDK of OpenTelemetry raises: neither a job nor an enqueue fails for it."""

import logging

log = logging.getLogger("pgqueue.tracing")
_failed: set[str] = set()


def note(what: str, error: Exception) -> None:
    """Log that a part of an SDK has failed, the first time."""
    if what not in _failed:
        _failed.add(what)
        log.warning("OpenTelemetry: %s failed; this is not reported again: %r", what, error)
