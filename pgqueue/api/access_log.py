"""A line of the log for each request: what was asked by route, never by its path or query, which may hold what is secret."""

import logging
from time import perf_counter

log = logging.getLogger("pgqueue.access")


def note(method: str, route: str | None, status: int, began: float, request_id: str, key_id: str | None) -> None:
    """Write a line.

    Args:
        method: of the request.
        route: the template of its path; None = no route has it.
        status: of the answer.
        began: when the request came, on time.perf_counter().
        request_id: the id of the request.
        key_id: the public part of the key; None = without one.
    """
    if not log.isEnabledFor(logging.INFO):
        return
    shown = route or "(no such path)"
    fields = {"method": method, "route": shown, "status": status, "ms": round(1000 * (perf_counter() - began), 1)}
    named = {"request_id": request_id} if key_id is None else {"request_id": request_id, "key_id": key_id}
    log.info("%s %s %s", method, shown, status, extra={**fields, **named})
