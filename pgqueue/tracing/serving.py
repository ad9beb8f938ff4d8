"""Requests of HTTP: the span around one, and the trace and the id that it gives to its jobs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .carried import HEADERS, serving
from .provider import active

if TYPE_CHECKING:
    from .otel import Operation


class Served:
    """A request that is being served.

    Args:
        operation: its span; None = it has none.
    """

    __slots__ = ("_operation",)

    def __init__(self, operation: "Operation | None" = None) -> None:
        self._operation = operation

    def answered(self, status: int) -> None:
        """Note the status of the answer in the span; a refusal is no error of the server."""
        if self._operation is not None:
            self._operation.set("http.response.status_code", status)
            if status >= 500:
                self._operation.fail(str(status))


@contextmanager
def serving_request(request_id: str, method: str, route: str | None, headers: Mapping[str, str]) -> Iterator[Served]:
    """Around a request.

    Args:
        request_id: given by the caller, or made.
        method: of the request.
        route: the template of its path; None = without a span.
        headers: of the request.
    """
    trace = {name: headers[name] for name in HEADERS if name in headers}
    telemetry = active()
    with serving(request_id, trace):
        operation = None if telemetry is None or route is None else telemetry.serve(method, route, trace)
        if operation is None:
            yield Served()
            return
        try:
            with operation.within():
                yield Served(operation)
        finally:
            operation.end()
