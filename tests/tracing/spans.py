"""What tests look at: spans by their names, and points of metrics."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Spans:
    """The spans and metrics that were made."""

    def __init__(self, exporter: InMemorySpanExporter, reader: InMemoryMetricReader) -> None:
        self._exporter, self._reader = exporter, reader

    def all(self, name: str = "") -> list[ReadableSpan]:
        """Those that have ended and whose name begins so, in the order in which they began."""
        ended = [span for span in self._exporter.get_finished_spans() if span.name.startswith(name)]
        return sorted(ended, key=lambda span: span.start_time or 0)

    def one(self, name: str) -> ReadableSpan:
        """The only one of this name."""
        (span,) = self.all(name)
        return span

    def points(self, metric: str) -> list[Any]:
        """The points of a metric."""
        data = self._reader.get_metrics_data()
        assert data is not None
        metrics = [one for of in data.resource_metrics for scope in of.scope_metrics for one in scope.metrics]
        return [point for one in metrics if one.name == metric for point in one.data.data_points]


def said(span: ReadableSpan) -> dict[str, Any]:
    """Its attributes."""
    attributes: Mapping[str, Any] = span.attributes or {}
    return dict(attributes)


def parent(span: ReadableSpan) -> int | None:
    """The id of its parent."""
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    """Its id."""
    assert span.context is not None
    return int(span.context.span_id)


def trace_of(span: ReadableSpan) -> int:
    """The id of its trace."""
    assert span.context is not None
    return int(span.context.trace_id)
