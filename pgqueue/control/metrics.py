"""What happened, and how fast: figures of an install."""

from datetime import datetime, timedelta

from .._checks import Duration, interval, invalid, read_duration, read_since, read_text, read_time
from ..client import Client
from ..database import Call
from ..database.calls import metrics as calls
from ..database.calls.metrics import Metrics, MetricStep

MINUTE, HOUR, LONGEST = timedelta(minutes=1), timedelta(hours=1), timedelta(days=36000)  # 100 years of PostgreSQL


class HasMetrics(Client):
    """The part of an app that has figures."""

    def metrics(self, window: Duration = 300) -> Metrics:
        """What happened lately: counts, rates, percentiles of durations and waits; of all jobs, by queue and by task.

        Args:
            window: seconds (or timedelta), in whole minutes, up to the end of the last closed minute; 5 minutes by default. The
                answer says which time it is about: a long one is of whole hours or days.

        Raises:
            InvalidArgument: the window is invalid.
        """
        return self.database.run(metrics_of(window))

    async def ametrics(self, window: Duration = 300) -> Metrics:
        """`metrics` for async code."""
        return await self.async_database.run(metrics_of(window))

    def metric_series(
        self,
        step: Duration = 60,
        since: datetime | Duration = -HOUR,
        until: datetime | None = None,
        *,
        queue: str | None = None,
        task: str | None = None,
    ) -> list[MetricStep]:
        """What happened step by step, for a chart. A step in which nothing happened is there too.

        Args:
            step: seconds (or timedelta), in whole minutes; 60 by default.
            since: a datetime with a time zone, or a timedelta or seconds from now: -3600, an hour ago, by default.
            until: a datetime with a time zone; the last closed minute by default.
            queue, task: only jobs of this queue, of this task, or of both.

        Raises:
            InvalidArgument: a value is invalid, or there would be more than 10,000 steps.
        """
        return self.database.run(series_of(step, since, until, queue, task))

    async def ametric_series(
        self,
        step: Duration = 60,
        since: datetime | Duration = -HOUR,
        until: datetime | None = None,
        *,
        queue: str | None = None,
        task: str | None = None,
    ) -> list[MetricStep]:
        """`metric_series` for async code."""
        return await self.async_database.run(series_of(step, since, until, queue, task))


def metrics_of(window: Duration) -> Call[Metrics]:
    """The call for the figures of a window.

    Raises:
        InvalidArgument: it is no duration of a minute or more.
    """
    return calls.metrics(_span("window", window))


def series_of(
    step: Duration, since: datetime | Duration, until: datetime | None, queue: str | None, task: str | None
) -> Call[list[MetricStep]]:
    """The call for a series.

    Raises:
        InvalidArgument: a value cannot be sent.
    """
    at, ago = read_since("since", since)
    end = None if until is None else read_time("until", until).isoformat()
    return calls.metric_series(_span("step", step), at, ago, end, read_text("queue", queue), read_text("task", task))


def _span(field: str, value: Duration) -> str:
    """A duration as text. Raises InvalidArgument: SQL, whose arguments have other names, would name another one."""
    if not MINUTE <= read_duration(field, value) <= LONGEST:
        raise invalid(field, value, "use a duration from 60 s to 36,000 days, a timedelta or seconds")
    return interval(value) or ""
