"""From measured values to the numbers that are reported."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from benchmarks.worker import Sample

Figures = dict[str, float]
"""What one run measured, by name: seconds, jobs_per_second, p50_ms, …"""

Row = dict[str, object]
"""One system's line of a benchmark: what is printed as JSON."""


def rate(samples: Sequence[Sample]) -> float:
    """Jobs per second between the first and the last sample."""
    first, last = samples[0], samples[-1]
    return (last.done - first.done) / (last.at - first.at)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def latency_figures(seconds: Sequence[float]) -> Figures:
    """The usual percentiles, in milliseconds."""
    points = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}
    return {
        **{name: percentile(seconds, share) * 1000 for name, share in points.items()},
        "max_ms": max(seconds) * 1000,
    }


def summary(runs: Sequence[Figures]) -> Row:
    """The median of every figure over all runs; under "min" and "max" the extremes, under "rounds" what each run measured."""
    names = list(dict.fromkeys(name for run in runs for name in run))
    values = {name: [run[name] for run in runs if name in run] for name in names}
    return {
        **{name: _rounded(median(found)) for name, found in values.items()},
        "min": {name: _rounded(min(found)) for name, found in values.items()},
        "max": {name: _rounded(max(found)) for name, found in values.items()},
        "rounds": {name: [_rounded(value) for value in found] for name, found in values.items()},
    }


def _rounded(value: float) -> float:
    """Whole numbers where they are large enough or whole anyway, otherwise four significant digits."""
    return round(value) if abs(value) >= 1000 or value == int(value) else float(f"{value:.4g}")
