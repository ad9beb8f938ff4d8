"""A limit as code declares it. The rules are in SQL (`set_limit` and the functions that claim); this only describes the limit."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, get_args

from .._checks import LONGEST, check_duration, invalid
from .._json import dumps
from .._text import storable
from ..errors import InvalidArgument

Counts = Literal["cost", "starts"]
Per = timedelta | float | str

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST_KEY = 200  # characters, as in SQL
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,100}(:.+)?", re.DOTALL)
_INTERVAL = re.compile(r"\s*(\d+(?:\.\d+)?)?\s*([a-z]+)\s*", re.IGNORECASE)
_RATE = re.compile(rf"\s*([+-]?\d+(?:\.\d+)?)\s*/({_INTERVAL.pattern})", re.IGNORECASE)
_INT4 = 2**31


@dataclass(frozen=True, slots=True)
class Limit:
    """How often and how many at once jobs start that have this limit: at most burst + rate x T of them in any T seconds.

    A limit `tenant` applies to each key `tenant:…` separately; `tenant:42` applies to one key only, `queue:mail` to all jobs of a
    queue together. Without `rate` and `max_running` it limits nothing, but can be parked.

    Args:
        name: letters, digits and . _ - , alone or with a colon and a key.
        rate: starts, or tokens, for each `per`; or a text with both: "100/m", "5/s", "10/30s", "1000/h", "50/d".
        per: the interval of a rate that is a number: a text such as "1m" or "30s" (units s, m, h, d), seconds or a timedelta.
        burst: how many may start at once after a pause, 1 or more; by default the tokens of a tenth of a second, at least 2;
            and 1 for rates below 2 a second.
        max_running: how many may run at the same time, 1 or more; by default any number.
        counts: "cost" (default): a start takes the cost of its job; "starts": every start takes one token.
        weight: 1 (default) to 1000: the share of its jobs when keys take turns.
        retry_blocks: True: while a job waits for its retry, the other jobs of its key wait too. With max_running=1 they run
            strictly in order. False by default.

    Attributes:
        rate: the rate as a number.
        per: the interval in seconds; None without a rate.

    Raises:
        InvalidArgument: a value is invalid; the message names it.
    """

    name: str
    rate: float | str | None = None
    per: Per | None = None
    burst: float | None = None
    max_running: int | None = None
    counts: Counts = "cost"
    weight: int = 1
    retry_blocks: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        rate, per = read_rate("rate", self.rate, self.per)
        if rate is not None and rate <= 0:
            raise invalid("rate", self.rate, "use a number above 0, or leave it out for no rate limit")
        object.__setattr__(self, "rate", rate)
        if rate is not None and per is None:
            raise needs_per()
        object.__setattr__(self, "per", per)
        for field, value in (("per", self.per), ("burst", self.burst)):
            if value is not None and rate is None:
                raise invalid(field, value, "it belongs to a rate; give one, such as rate='60/m'")
        if self.burst is not None:
            check_number("burst", self.burst, 1)
        if self.max_running is not None:
            check_whole("max_running", self.max_running, 1)
        check_whole("weight", self.weight, 1, 1000)
        count_cost(self.counts)
        check_flag("retry_blocks", self.retry_blocks)

    def definition(self) -> str:
        """The arguments of the SQL function set_limit by name, as JSON, for declare_limit."""
        given = {"rate": self.rate, "per": self.per, "burst": self.burst, "max_running": self.max_running}
        always = {"count_cost": count_cost(self.counts), "weight": self.weight, "retry_blocks": self.retry_blocks}
        return dumps({name: value for name, value in given.items() if value is not None} | always)

    def summary(self) -> str:
        """The limit in a few words."""
        rate, per = read_rate("rate", self.rate, self.per)
        weight = "" if self.weight == 1 else f", weight {self.weight}"
        return words(rate, per, self.burst, count_cost(self.counts), self.max_running, self.retry_blocks) + weight


def words(
    rate: float | None,
    per: float | None,
    burst: float | None,
    count_cost: bool | None,
    max_running: int | None,
    retry_blocks: bool | None,
) -> str:
    """The values of a limit for people: "100/m, burst 10, max 3 running"."""
    said = []
    if rate is not None and per is not None:
        said.append(f"{rate:.15g}/{_unit(per)}")
        if burst is not None:
            said.append(f"burst {burst:.15g}")
        if not count_cost:
            said.append("counts starts")
    if max_running is not None:
        said.append(f"max {max_running} running")
    if retry_blocks:
        said.append("retry blocks")
    return ", ".join(said) or "no limit"


def own_limit(task: str, rate_limit: Any, max_running: int | None) -> Limit | None:
    """The limit that applies to one task only; None if it has none.

    Raises:
        InvalidArgument: a value, or the name of the task, is invalid.
    """
    if rate_limit is None and max_running is None:
        return None
    if rate_limit is not None and (not isinstance(rate_limit, str) or (read_rate("rate_limit", rate_limit, None)[0] or 0) <= 0):
        raise invalid("rate_limit", rate_limit, "use a text with a number above 0, such as '100/m'; more in limits=[Limit(…)]")
    return Limit(f"task:{task}", rate=rate_limit, max_running=max_running)


def needs_per() -> InvalidArgument:
    """The error about a rate without an interval."""
    return InvalidArgument("per: a rate needs one, such as per='1m', or rate='60/m'")


def read_rate(field: str, rate: Any, per: Any) -> tuple[float | None, float | None]:
    """A rate and its interval in seconds; None for a value that is not given.

    Raises:
        InvalidArgument: the rate is neither a number nor a text such as "100/m", or the interval is invalid or given twice.
    """
    if isinstance(rate, str):
        found = _RATE.fullmatch(rate)
        if found is None:
            raise invalid(field, rate, "use a number for each s, m, h or d, such as '100/m' or '10/30s'")
        if per is not None:
            raise invalid("per", per, f"{rate!r} contains the interval already; leave it out")
        return float(found[1]), _seconds(field, found[2], rate)
    if rate is not None and not _is_number(rate):
        raise invalid(field, rate, "use a number with per=, or a text such as '100/m'")
    return None if rate is None else float(rate), None if per is None else _seconds("per", per, per)


def _seconds(field: str, per: Any, shown: Any) -> float:
    if isinstance(per, str):
        found = _INTERVAL.fullmatch(per)
        if found is None or found[2] not in UNITS:
            raise invalid(field, shown, "its unit is s, m, h or d: '1m', '30s', '100/m', '10/30s'")
        seconds = float(found[1] or 1) * UNITS[found[2]]
    else:
        check_duration(field, per)
        seconds = per.total_seconds() if isinstance(per, timedelta) else float(per)
    if not 0 < seconds <= 366 * UNITS["d"]:
        raise invalid(field, shown, "use an interval above 0 and of at most 366 days, such as '1m'")
    return seconds


def _unit(seconds: float) -> str:
    """An interval in the largest unit that gives a whole number."""
    unit = next((unit for unit in "dhm" if seconds % UNITS[unit] == 0), "s")
    number = seconds / UNITS[unit]
    return unit if number == 1 else f"{number:.15g}{unit}"


def check_name(name: Any) -> None:
    """Raise InvalidArgument unless value is the name of a limit.

    Raises:
        InvalidArgument: value is not a valid name.
    """
    if not isinstance(name, str) or len(name) > LONGEST_KEY or not _KEY.fullmatch(name) or name in ("queue", "task"):
        raise invalid(
            "name", name, "use letters, digits and . _ - , alone or with a colon and a key: openai, tenant:42, queue:mail"
        )
    if "{" in name or "}" in name:
        raise invalid("name", name, "leave out the braces: the limit tenant applies to each key tenant:{tenant_id} separately")
    storable("name", name)


def check_key(field: str, key: Any) -> str:
    """Raise InvalidArgument unless value is a key of a limit for a job, or a template of a key.

    Raises:
        InvalidArgument: value is not a valid key.
    """
    if not isinstance(key, str) or len(key) > LONGEST_KEY or not _KEY.fullmatch(key):
        raise invalid(
            field,
            key,
            "use a name of letters, digits and . _ - , alone or with a colon and a key: openai, tenant:42, tenant:{tenant_id}",
        )
    if key.partition(":")[0] == "queue":
        raise invalid(field, key, "the limit of a queue applies to all its jobs; leave it out")
    return storable(field, key)


def check_number(field: str, value: Any, least: float) -> None:
    """Raise InvalidArgument unless value is a finite number >= least."""
    if not _is_number(value) or value < least:
        raise invalid(field, value, f"use a number of {least} or more")


def check_whole(field: str, value: Any, least: int, most: int | None = None) -> None:
    """Raise InvalidArgument unless value is a whole number within the bounds."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= (_INT4 - 1 if most is None else most):
        raise invalid(field, value, f"use a whole number of {least} or more" if most is None else f"use {least} to {most}")


def check_flag(field: str, value: Any) -> None:
    """Raise InvalidArgument unless value is True or False."""
    if not isinstance(value, bool):
        raise invalid(field, value, "use True or False")


def count_cost(counts: Any) -> bool:
    """The value of `counts` in the form that SQL takes."""
    if not isinstance(counts, str) or counts not in get_args(Counts):
        raise invalid("counts", counts, f"use {' or '.join(get_args(Counts))}")
    return counts == "cost"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LONGEST
