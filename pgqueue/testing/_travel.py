"""Letting time pass for the jobs of a test."""

import math
from typing import Any

from .._checks import Duration
from ..database.calls import testing as sql
from ..errors import InvalidArgument
from ..outcomes import seconds
from ..registry import Registry
from ._connection import AsyncGivenConnection, GivenConnection


def travel(app: Registry, connection: Any, time: Duration) -> int:
    """Age the jobs that the transaction of this connection has added, as if this time had passed since then.

    Scheduled jobs become due (`drain` runs them), results expire, unique jobs of mode period may be added again. The rows are
    made older; clocks and `created_at` do not change. It needs the rights of the owner of the install.

    Args:
        app: the app with the jobs.
        connection: as in `drain`.
        time: seconds (or timedelta), more than 0.

    Returns:
        The number of aged jobs.
    """
    return GivenConnection(app, connection).run(sql.travel(_passed(time)))


async def atravel(app: Registry, connection: Any, time: Duration) -> int:
    """`travel` for async code; connections as in `adrain`."""
    return await AsyncGivenConnection(app, connection).arun(sql.travel(_passed(time)))


def _passed(time: Duration) -> float:
    passed = seconds(time)
    if not 0 < passed < math.inf:
        raise InvalidArgument(f"time: {time!r} is not valid; use seconds or a timedelta, more than 0")
    return passed
