"""Figures in six characters, for pages with many of them."""

from datetime import timedelta


def count(value: float | None) -> str:
    """A number: 12,345, 123k, 1.23M; nothing for None."""
    if value is None:
        return ""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= max(size, 99_999.5):
            return f"{value / size:.3g}{unit}" if value < 999.5 * size else f"{value / size:,.0f}{unit}"
    return f"{value:,.0f}"


def rate(per_second: float | None) -> str:
    """A number a second: 0.02, 41.2, 12,345; nothing for None or if nothing happened."""
    if not per_second:
        return ""
    if per_second < 0.01:
        return "<0.01"
    if per_second < 9.995:
        return f"{per_second:.2f}"
    return f"{per_second:.1f}" if per_second < 99.95 else count(per_second)


def span(seconds: float | timedelta | None) -> str:
    """A duration: 999 µs, 1.2 ms, 12 ms, 1.23 s, 12 min, 12 h, 12 d; nothing for None."""
    if seconds is None:
        return ""
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if seconds < 99.95:
        if seconds >= 0.9995:
            return f"{seconds:.3g} s"
        value, unit = (seconds * 1e3, "ms") if seconds >= 0.9995e-3 else (seconds * 1e6, "µs")
        return f"{value:.2g} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    for unit, size in (("min", 60), ("h", 3600)):
        if seconds < 99.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:,.0f} d"


def age(seconds: float | timedelta | None) -> str:
    """A duration in whole seconds or more: 0 s, 12 s, 12 min; nothing for None."""
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    return "" if seconds is None else span(float(max(0, int(seconds)))) if seconds >= 1 else "0 s"


def milliseconds(value: float | None) -> str:
    """Milliseconds as a duration."""
    return span(None if value is None else value / 1000)
