"""The metrics of messaging, by the API of OpenTelemetry."""

from collections.abc import Mapping

from opentelemetry.metrics import Counter, Histogram, Meter

from .broken import note

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)  # seconds; by the conventions
Kinds = Mapping[str, str | int]


class Instruments:
    """The instruments; each is made at its first use.

    Args:
        meter: makes them.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def sent(self, count: int, kinds: Kinds) -> None:
        """Jobs that were enqueued."""
        self._count("messaging.client.sent.messages", "Number of jobs that were enqueued.", count, kinds)

    def consumed(self, count: int, kinds: Kinds) -> None:
        """Jobs that were claimed."""
        self._count("messaging.client.consumed.messages", "Number of jobs that were claimed.", count, kinds)

    def called(self, took: float, kinds: Kinds) -> None:
        """A call of the database took so many seconds."""
        self._time("messaging.client.operation.duration", "Duration of an enqueue, a claim or a finish.", took, kinds)

    def processed(self, took: float, kinds: Kinds) -> None:
        """A run took so many seconds."""
        self._time("messaging.process.duration", "Duration of a run of a job.", took, kinds)

    def _count(self, name: str, what: str, count: int, kinds: Kinds) -> None:
        try:
            counter = self._counters.get(name)
            if counter is None:
                counter = self._counters[name] = self._meter.create_counter(name, "{message}", what)
            counter.add(count, kinds)
        except Exception as error:
            note(name, error)

    def _time(self, name: str, what: str, took: float, kinds: Kinds) -> None:
        try:
            histogram = self._histograms.get(name)
            if histogram is None:
                histogram = self._meter.create_histogram(name, "s", what, explicit_bucket_boundaries_advisory=BUCKETS)
                self._histograms[name] = histogram
            histogram.record(took, kinds)
        except Exception as error:
            note(name, error)
