"""Spans and metrics of messaging, by the API of OpenTelemetry.

Names and attributes are those of its semantic conventions for messaging. Errors of an SDK never reach a job or an enqueue.
"""

import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Literal

from opentelemetry import metrics, trace
from opentelemetry.context import Context, attach
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, TracerProvider, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..version import __version__
from .broken import note
from .metrics import Instruments

IDLE = {"ProxyTracerProvider", "NoOpTracerProvider", "_ProxyMeterProvider", "NoOpMeterProvider"}  # what stands in for an SDK
SCHEMA = "https://opentelemetry.io/schemas/1.43.0"  # of the conventions
KINDS = {"send": SpanKind.PRODUCER, "receive": SpanKind.CLIENT, "process": SpanKind.CONSUMER, "settle": SpanKind.CLIENT}
DESTINATION = "messaging.destination.name"
ERROR = "error.type"
Name = Literal["send", "receive", "process", "settle"]
Value = str | int
Headers = Mapping[str, str]
_headers = TraceContextTextMapPropagator()


def current() -> "Telemetry | None":
    """The telemetry of the providers that this process has; None if neither is an SDK."""
    global _known
    providers = trace.get_tracer_provider(), metrics.get_meter_provider()
    if type(providers[0]).__name__ in IDLE and type(providers[1]).__name__ in IDLE:
        return None
    if _known is None or not _known.is_of(*providers):
        _known = Telemetry(*providers)
    return _known


class Telemetry:
    """Starts operations, and reads and writes the context of a trace."""

    def __init__(self, tracers: TracerProvider, meters: MeterProvider) -> None:
        self._tracers, self._meters = tracers, meters
        self._tracer = tracers.get_tracer("pgqueue", __version__, schema_url=SCHEMA)
        self.instruments = Instruments(meters.get_meter("pgqueue", __version__, schema_url=SCHEMA))

    def is_of(self, tracers: TracerProvider, meters: MeterProvider) -> bool:
        """Whether it belongs to these providers."""
        return tracers is self._tracers and meters is self._meters

    def headers(self) -> dict[str, str]:
        """The context of the current span as W3C headers; empty if there is no span."""
        carrier: dict[str, str] = {}
        _headers.inject(carrier)
        return carrier

    def enter(self, headers: Headers) -> None:
        """Go on with a trace, for the rest of this context, as its own process would."""
        attach(_headers.extract(headers, Context()))

    def start(
        self,
        name: Name,
        queue: str | None,
        attributes: Mapping[str, Value],
        *,
        parent: Headers | None = None,
        links: Iterable[Headers] = (),
        took: float = 0.0,
        is_root: bool = True,
    ) -> "Operation":
        """Start an operation.

        Args:
            name: which one.
            queue: None if it is about several.
            attributes: of its span, besides those that all have.
            parent: the context that it belongs to.
            links: contexts that it has to do with.
            took: seconds since it has begun.
            is_root: without a parent: whether it begins a trace, or belongs to the current span.
        """
        kinds: dict[str, Value] = {"messaging.system": "pgqueue", "messaging.operation.name": name}
        if queue is not None:
            kinds[DESTINATION] = queue
        context = _headers.extract(parent, Context()) if parent else Context() if is_root else None
        try:
            span = self._tracer.start_span(
                name if queue is None else f"{name} {queue}",
                context=context,
                kind=KINDS[name],
                attributes={**kinds, "messaging.operation.type": name, **attributes},
                links=_links(links),
                start_time=time.time_ns() - int(took * 1e9),
            )
        except Exception as error:
            note("a span", error)
            span = INVALID_SPAN
        return Operation(span, kinds, time.perf_counter() - took)

    def serve(self, method: str, route: str, headers: Headers) -> "Operation | None":
        """Start the span of a request of HTTP; None if it has one, because the application around the API makes some.

        Args:
            method, route: by which it is named: the template of the path, not the path.
            headers: those of the request that say to which trace it belongs.
        """
        if get_current_span().get_span_context().is_valid:
            return None
        kinds: dict[str, Value] = {"http.request.method": method, "http.route": route}
        try:
            context = _headers.extract(headers, Context())
            span = self._tracer.start_span(f"{method} {route}", context=context, kind=SpanKind.SERVER, attributes=kinds)
        except Exception as error:
            note("a span", error)
            span = INVALID_SPAN
        return Operation(span, kinds, time.perf_counter())

    def flush(self, within: float) -> None:
        """Let the SDK send what it holds; `within` so many seconds."""
        for provider in (self._tracers, self._meters):
            if (flush := getattr(provider, "force_flush", None)) is not None:  # the API has no such method
                try:
                    flush(int(within * 1000))
                except Exception as error:
                    note("a flush", error)


def _links(headers: Iterable[Headers]) -> list[Link]:
    spans = (get_current_span(_headers.extract(one, Context())).get_span_context() for one in headers)
    return [Link(span) for span in spans if span.is_valid]


class Operation:
    """A span that has started.

    Args:
        span: the span.
        kinds: the attributes that its metrics have too.
        started: when it began, on time.perf_counter().
    """

    __slots__ = ("_kinds", "_span", "_started")

    def __init__(self, span: Span, kinds: dict[str, Value], started: float) -> None:
        self._span, self._kinds, self._started = span, kinds, started

    @property
    def kinds(self) -> Mapping[str, Value]:
        """The attributes that its metrics have too."""
        return self._kinds

    def set(self, name: str, value: Value) -> None:
        """Set an attribute of the span."""
        try:
            self._span.set_attribute(name, value)
        except Exception as error:
            note("an attribute of a span", error)

    def enter(self) -> None:
        """Make it the current span, for the rest of this context."""
        attach(trace.set_span_in_context(self._span))

    def within(self) -> AbstractContextManager[Span]:
        """Make it the current span inside of a block."""
        return trace.use_span(self._span, record_exception=False, set_status_on_exception=False)

    def fail(self, type: str, message: str = "", traceback: str | None = None) -> None:
        """Note that it has failed."""
        self._kinds[ERROR] = type
        try:
            self._span.set_attribute(ERROR, type)
            self._span.set_status(trace.StatusCode.ERROR, f"{type}: {message}" if message else type)
            if traceback is not None:
                event = {"exception.type": type, "exception.message": message, "exception.stacktrace": traceback}
                self._span.add_event("exception", event)
        except Exception as error:
            note("the error of a span", error)

    def end(self) -> float:
        """End it. Returns its seconds."""
        try:
            self._span.end()
        except Exception as error:
            note("a span", error)
        return time.perf_counter() - self._started


_known: Telemetry | None = None
