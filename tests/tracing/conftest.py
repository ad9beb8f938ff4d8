"""An SDK of OpenTelemetry that keeps what it gets, for one test."""

from collections.abc import Callable, Iterator
from typing import Any

import opentelemetry.metrics._internal as metrics
import psycopg
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.looking import Look

from .spans import Spans


@pytest.fixture
def look(connect: Callable[..., psycopg.Connection[Any]]) -> Look:
    """A look at the database beside the worker."""
    return Look(connect())


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """The spans and metrics of this process."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider([reader])
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)  # the API lets it be set once in a process
    monkeypatch.setattr(metrics, "_METER_PROVIDER", meters)
    yield Spans(exporter, reader)
    provider.shutdown()
    meters.shutdown()
