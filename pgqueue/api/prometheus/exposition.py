"""From samples to the text that Prometheus reads; no state of this process is in it, so any server answers the same."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from ..._text import harmless
from ...database.call import Call
from ...database.calls.metrics import Sample, samples
from ..health.kept import Kept
from .families import FAMILIES

MOST = 200  # queues and tasks with a label of their own
Ask = Callable[[Call[list[Sample]]], Awaitable[list[Sample]]]


class _Collector(Collector):
    """The samples of one moment."""

    def __init__(self, found: Iterable[Sample]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """The metrics that have samples, in the order of `FAMILIES`."""
        by_name: dict[str, Metric] = {}
        for name, family in FAMILIES.items():
            by_name[name] = Metric(name.removesuffix("_total").removesuffix("_info"), family.says, family.kind)
        for name, labels, value in self._found:
            by_name[name].add_sample(name, dict(zip(FAMILIES[name].labels, map(harmless, labels), strict=True)), value)
        return iter([metric for metric in by_name.values() if metric.samples])


class Exposition:
    """The text, which all scrapers of a second share.

    Args:
        ask: runs a call of the database.
    """

    def __init__(self, ask: Ask) -> None:
        self._samples = Kept(lambda: ask(samples(MOST)))
        self._of: list[Sample] | None = None
        self._texts: dict[bool, bytes] = {}

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The text and its media type, by the header Accept."""
        is_open = "application/openmetrics-text" in accept
        found = await self._samples.get()
        if found is not self._of:
            self._of, self._texts = found, {}
        texts = self._texts
        if is_open not in texts:
            texts[is_open] = await asyncio.to_thread(_written, found, is_open)
        return texts[is_open], openmetrics.CONTENT_TYPE_LATEST if is_open else CONTENT_TYPE_PLAIN_0_0_4


def _written(found: list[Sample], is_open: bool) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(found))
    write: Callable[[CollectorRegistry], bytes] = openmetrics.generate_latest if is_open else generate_latest
    return write(registry)
