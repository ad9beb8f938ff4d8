"""When two calls are the same job. The rules are in SQL (`insert_unique`); this only describes them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

from ._checks import check_duration, invalid
from ._text import storable
from .errors import InvalidArgument

UniqueMode = Literal["until_done", "until_started", "replace", "period"]


@dataclass(frozen=True, slots=True)
class Unique:
    """A job is added only if no other job has its key; otherwise the handle is of the other job (`Job.duplicate`).

    Args:
        mode: how long the key is held.
            "until_done" (default): until the job is over, including its retries.
            "until_started": until a worker claims it.
            "replace": as until_started; the waiting job takes over arguments, time, priority, meta and limits: debounce.
            "period": for `period` after the job was added, whatever its outcome.
        key: a template of the key; {name} stands for that argument, {name.inner} for a value in it. By default the key is made
            of all arguments. Two tasks never share a key, and two templates never share a key.
        period: seconds (or timedelta); only for "period".

    Raises:
        InvalidArgument: the mode does not exist, key or period is invalid, or mode and period do not match.
    """

    mode: UniqueMode = "until_done"
    key: str | None = None
    period: timedelta | float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.mode, str) or self.mode not in get_args(UniqueMode):
            raise invalid("unique", self.mode, f"use {', '.join(get_args(UniqueMode))}")
        if (self.mode == "period") != (self.period is not None):
            raise InvalidArgument('unique: mode "period" and period= belong together, for example Unique("period", period=3600)')
        if self.key is not None and not isinstance(self.key, str):
            raise invalid("unique_key", self.key, 'use a text such as "user {user_id}"')
        if self.key is not None:
            object.__setattr__(self, "key", storable("unique_key", self.key))
        if self.period is not None:
            check_duration("unique_period", self.period)
