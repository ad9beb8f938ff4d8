"""What travels with jobs in this context, with and without OpenTelemetry."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from .._text import printable
from .provider import active

LONGEST = 1000  # characters that SQL takes of each text
HEADERS = ("traceparent", "tracestate")

# The id of the request that is being served. A web application sets it; a worker sets it around the handler of a job.
request_id: ContextVar[str | None] = ContextVar("pgqueue_request_id", default=None)
_carried: ContextVar[Mapping[str, str] | None] = ContextVar("pgqueue_trace", default=None)


def carry(trace: Mapping[str, str] | None) -> None:
    """Enter the trace of a job, for the rest of this context: what is enqueued in it belongs to the same trace and request."""
    _carried.set(trace)
    request_id.set(None if trace is None else trace.get("request_id"))


@contextmanager
def serving(request: str, headers: Mapping[str, str]) -> Iterator[None]:
    """Around a request: what is enqueued in it belongs to this request, and to the trace of its headers."""
    trace = {name: headers[name][:LONGEST] for name in HEADERS if name in headers}
    tokens = request_id.set(request), _carried.set(trace or None)
    try:
        yield
    finally:
        request_id.reset(tokens[0])
        _carried.reset(tokens[1])


def current_request() -> str | None:
    """The id of the current request, in the form that is stored; None if there is none."""
    request = request_id.get()
    try:
        return None if request is None else printable(str(request)[:LONGEST])
    except Exception:  # an enqueue does not fail for an id that has no text
        return None


def outgoing() -> dict[str, str]:
    """The trace for a job that is enqueued in this context; empty if there is none.

    Without OpenTelemetry a trace that has come with the current job goes on unchanged.
    """
    telemetry, carried = active(), _carried.get()
    trace = {} if telemetry is None else telemetry.headers()
    if not trace and carried is not None:
        trace = {name: carried[name] for name in HEADERS if name in carried}
    if (request := current_request()) is not None:
        trace["request_id"] = request
    if len(trace.get("tracestate", "")) > LONGEST:  # it may be left out, and an enqueue must not fail for it
        del trace["tracestate"]
    return trace
