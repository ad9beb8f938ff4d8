"""Settings of a queue as SQL takes them."""

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from .._checks import Duration, interval, invalid, read_duration
from .._json import dumps

OnFull = Literal["refuse", "drop_oldest"]


class QueueSettings(TypedDict, total=False):
    """Settings of a queue. None, and 0 of a number or a duration, is the default again.

    Attributes:
        max_ready: about how many of its jobs may be ready; enqueues above it raise `QueueFull`. Any number by default.
        on_full: "refuse" (default), or "drop_oldest": its oldest jobs are cancelled, and no enqueue is refused.
        starvation_after: seconds or timedelta; jobs that have waited longer start next, whatever their priority. By default none
            do.
        starvation_share: which part of a claim they may be: 0.001 to 1; 0.25 by default.
        keep_succeeded, keep_cancelled: False: such jobs leave no row in the history; True by default.
        dead_days: for how many whole days its dead letters are kept; by default until somebody removes them.
    """

    max_ready: int | None
    on_full: OnFull | None
    starvation_after: Duration | None
    starvation_share: float | None
    keep_succeeded: bool | None
    keep_cancelled: bool | None
    dead_days: int | None


def settings_json(settings: Mapping[str, Any]) -> str:
    """The settings as `set_queue` takes them; SQL checks names and values.

    Raises:
        InvalidArgument: a duration is none, or a value is no JSON.
    """
    given = dict(settings)
    if given.get("starvation_after") is not None:
        given["starvation_after"] = interval(read_duration("starvation_after", given["starvation_after"]))
    for field, value in given.items():
        if value is not None and not isinstance(value, int | float | str):
            raise invalid(field, value, "use a number, a text, True or False")
    try:
        return dumps(given)
    except (TypeError, ValueError):
        raise invalid("settings", given, "use finite numbers, and text without half of a surrogate pair") from None
