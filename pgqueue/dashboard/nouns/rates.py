"""Steps of a series as rates: the last step may be shorter than the others, so that its counts would look like a fall."""

from typing import Any

NAMES = ("enqueued", "succeeded", "failed", "cancelled")


def rates(series: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a chart of throughput: `at`, and what happened a second.

    Args:
        series: what GET /metrics/series answers.
    """
    steps: list[dict[str, Any]] = series["steps"]
    return [{"at": step["at"], **_of(step, _seconds(step, series["step_seconds"]))} for step in steps]


def _of(step: dict[str, Any], seconds: float) -> dict[str, float | None]:
    return {name: None if step[name] is None else step[name] / seconds for name in NAMES}


def _seconds(step: dict[str, Any], usual: float) -> float:
    """How long a step is, as far as its own figures tell: a step without an end of a job has none to tell."""
    ended: int = step["succeeded"] + step["failed"] + step["cancelled"]
    per_second: float = step["completed_per_second"]
    return ended / per_second if ended and per_second else usual
