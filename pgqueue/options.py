"""The options of an enqueue: from `@app.task` and `Task.using` to the form that SQL takes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeAlias, TypedDict, get_args

from ._checks import Duration, Priority, interval, invalid, is_whole, read_duration, read_priority, read_time
from ._json import dumps
from ._text import storable
from .codec.open import dump_open
from .database.calls.enqueue import EnqueueOptions, TimeOptions, UniqueOptions
from .errors import InvalidArgument
from .job import Job
from .limits.cost import Cost, CostFunction, read_cost
from .limits.limit import Limit, check_key
from .retry import Retry
from .unique import Unique, UniqueMode

LONGEST_LIMIT = timedelta(days=360_000)  # 1000 years as PostgreSQL compares intervals: of 12 months of 30 days
RunIf = Literal["succeeded", "finished", "failed"]
DependsOn: TypeAlias = Job[Any] | int | Iterable[Job[Any] | int]


SoftTimeoutOption: TypeAlias = Duration | str  # such as "80%"
Expires: TypeAlias = datetime | Duration


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a timeout, such as 0.8."""

    value: float

    def __str__(self) -> str:
        return f"{self.value:.0%}"


@dataclass(frozen=True, slots=True)
class Options:
    """The options of an enqueue; see `Task.using`."""

    queue: str = "default"
    priority: int = 0
    run_at: datetime | None = None
    run_after: timedelta | None = None
    retry: Retry | None = None
    result_ttl: timedelta | None = None
    meta: Any = None
    unique: Unique | None = None
    connection: Any = None
    depends_on: tuple[int, ...] | None = None
    run_if: RunIf = "succeeded"
    limits: tuple[str, ...] = ()
    own_limit: str | None = None  # task:…, which stays whatever limits are given
    fair: str | None = None
    cost: int | CostFunction | None = None
    notify: bool = True
    timeout: timedelta | None = None
    soft_timeout: timedelta | Share | None = None
    expires: datetime | timedelta | None = None
    total_timeout: timedelta | None = None

    def __post_init__(self) -> None:
        soft, hard = self.soft_timeout, self.timeout
        if soft and hard and isinstance(soft, timedelta) and soft >= hard:
            raise invalid("soft_timeout", str(soft), f"the timeout is {hard}; use less, or 0 for no warning")

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all limits, or their templates."""
        return self.limits if self.own_limit is None else (*self.limits, self.own_limit)

    @property
    def is_limited(self) -> bool:
        """Whether any option of limits is given."""
        return bool(self.limits) or self.own_limit is not None or self.fair is not None or self.cost is not None

    def to_sql(self) -> EnqueueOptions:
        """The options as `enqueue` takes them, without uniqueness and limits."""
        policy = self.retry.policy() if self.retry else None
        return EnqueueOptions(
            queue=self.queue,
            priority=self.priority,
            run_at=None if self.run_at is None else self.run_at.isoformat(),
            run_after=interval(self.run_after),
            retries=self.retry.retries if self.retry else None,
            retry=dumps(policy) if policy else None,
            result_ttl=interval(self.result_ttl),
            meta=None if self.meta is None else _meta(self.meta),
            depends_on=f"{{{','.join(map(str, self.depends_on))}}}" if self.depends_on else None,
            run_if=self.run_if,
        )

    def to_unique(self) -> UniqueOptions:
        """The uniqueness of the job, as `enqueue` takes it."""
        unique = self.unique
        return UniqueOptions(unique.mode, unique.key, interval(unique.period)) if unique else UniqueOptions()

    def to_times(self) -> TimeOptions | None:
        """The time limits of the job, as `enqueue` takes them; None if it has none. 0 is no limit."""
        soft = self._soft_timeout()
        if not (self.timeout or soft or self.expires or self.total_timeout):
            return None
        at = self.expires.isoformat() if isinstance(self.expires, datetime) else None
        after = self.expires if isinstance(self.expires, timedelta) else None
        return TimeOptions(
            timeout=interval(self.timeout or None),
            soft_timeout=interval(soft),
            expires_at=at,
            expires_after=interval(after or None),
            total_timeout=interval(self.total_timeout or None),
        )

    def _soft_timeout(self) -> timedelta | None:
        if isinstance(self.soft_timeout, Share):
            return self.timeout * self.soft_timeout.value if self.timeout else None
        return self.soft_timeout if self.soft_timeout or self.timeout else None

    @property
    def held_for(self) -> float:
        """Seconds for which a second enqueue finds this job, even if it has ended."""
        period = self.unique.period if self.unique else None
        return period.total_seconds() if isinstance(period, timedelta) else period or 0.0


class GivenOptions(TypedDict, total=False):
    """The arguments of `given`; None means not given."""

    queue: str | None
    priority: Priority | None
    run_at: datetime | None
    run_after: Duration | None
    retry: Retry | int | None
    result_ttl: Duration | None
    meta: Any
    unique: Unique | UniqueMode | None
    connection: Any
    depends_on: DependsOn | None
    run_if: RunIf | None
    limits: Iterable[str | Limit] | None
    fair: str | None
    cost: Cost | None
    notify: bool | None
    timeout: Duration | None
    soft_timeout: SoftTimeoutOption | None
    expires: Expires | None
    total_timeout: Duration | None


def given(options: GivenOptions) -> dict[str, Any]:
    """The given options in the form of `Options`.

    Raises:
        InvalidArgument: an option is out of range; the message names it.
    """
    read: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for name in read.keys() & _READ.keys():
        read[name] = _READ[name](read[name])
    return read


def listed(limits: Any) -> Any:
    """The limits as a tuple, because callers iterate twice and a generator would be empty the second time. Anything else is
    returned unchanged."""
    return tuple(limits) if isinstance(limits, Iterable) and not isinstance(limits, str) else limits


def _queue(value: Any) -> str:
    if not isinstance(value, str):
        raise invalid("queue", value, "use a text of letters, digits and . _ : -")
    return storable("queue", value)


def _limits(value: Any) -> tuple[str, ...]:
    if isinstance(value, str | Limit) or not isinstance(value, Iterable):
        raise invalid("limits", value, "use a list of keys, for example ['openai', 'tenant:{tenant_id}']")
    return tuple(dict.fromkeys(check_key("limits", one.name if isinstance(one, Limit) else one) for one in value))


def _retry(value: Any) -> Retry:
    policy = Retry(value) if is_whole(value) else value
    if not isinstance(policy, Retry) or not is_whole(policy.retries) or not _is_json(policy):
        raise invalid("retry", value, "use a number of retries or a Retry, for example Retry(5, backoff='linear', delay=10)")
    return policy


def _is_json(policy: Retry) -> bool:
    try:
        dumps(policy.policy())
    except (TypeError, ValueError, AttributeError, RecursionError):
        return False
    return True


def _notify(value: Any) -> bool:
    if not isinstance(value, bool):
        raise invalid("notify", value, "use True or False")
    return value


def _limit(field: str, value: Any) -> timedelta:
    limit = read_duration(field, value)
    if not timedelta(0) <= limit <= LONGEST_LIMIT:
        raise invalid(field, value, "use 0 (no limit) to 1000 years, in seconds or as a timedelta")
    return limit


def _soft_timeout(value: Any) -> timedelta | Share:
    if not isinstance(value, str):
        return _limit("soft_timeout", value)
    try:
        share = float(value.removesuffix("%")) / 100 if value.endswith("%") else -1.0
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise invalid("soft_timeout", value, "use seconds, a timedelta, or a share of the timeout such as '80%'; 0 for none")
    return Share(share)


def _expires(value: Any) -> datetime | timedelta:
    if isinstance(value, datetime):
        return read_time("expires", value)
    after = read_duration("expires", value)
    if after < timedelta(0):  # SQL would call it expires_after
        raise invalid("expires", value, "use a time with a time zone, or 0 or more seconds from when the job is due")
    return after


def _unique(value: Any) -> Unique:
    return value if isinstance(value, Unique) else Unique(value)


def _depends_on(value: Any) -> tuple[int, ...]:
    parents = list(value) if isinstance(value, Iterable) else [value]
    ids = [parent.id if isinstance(parent, Job) else parent for parent in parents]
    for id in ids:
        if not is_whole(id) or not 0 < id < 2**63:
            raise invalid("depends_on", id, "use a job, its id, or a list of those")
    if not ids:  # probably a list that is empty by mistake
        raise invalid("depends_on", value, "it is empty; leave it out if the job waits for no other job")
    return tuple(dict.fromkeys(ids))


def run_if(value: Any, field: str = "run_if") -> RunIf:
    """Check a policy of edges.

    Raises:
        InvalidArgument: there is no such policy.
    """
    if not isinstance(value, str) or value not in get_args(RunIf):
        raise invalid(field, value, f"use {', '.join(get_args(RunIf))}")
    policy: RunIf = value  # type: ignore[assignment]
    return policy


def _meta(value: Any) -> str:
    try:
        return dump_open(value)
    except ValueError as error:
        raise InvalidArgument(f"meta: must be a JSON value: {error}") from None


_READ: Mapping[str, Callable[[Any], Any]] = {
    "queue": _queue,
    "run_at": partial(read_time, "run_at"),
    "priority": read_priority,
    "run_after": partial(read_duration, "run_after"),
    "result_ttl": partial(read_duration, "result_ttl"),
    "retry": _retry,
    "unique": _unique,
    "depends_on": _depends_on,
    "run_if": run_if,
    "limits": _limits,
    "fair": lambda value: check_key("fair", value),
    "cost": read_cost,
    "notify": _notify,
    "timeout": partial(_limit, "timeout"),
    "soft_timeout": _soft_timeout,
    "expires": _expires,
    "total_timeout": partial(_limit, "total_timeout"),
}
