"""The limits of an app: declared in code, changed and read at run time."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from .._checks import Duration, check_duration, check_time, interval, invalid, read_text
from .._text import storable
from ..client import Client
from ..database import Call
from ..database.calls import limits as calls
from ..database.calls.limits import LimitStatus as LimitStatus
from ..database.calls.limits import LimitValues
from ..errors import ConfigurationError, InvalidArgument
from .limit import Counts, Limit, Per, check_flag, check_number, check_whole, count_cost, needs_per, read_rate

MOST_NAMES = 20  # names in an error message
Statuses = list[LimitStatus]  # inside the class, `list` is a method


class Limits:
    """The type of `app.limits`.

    Args:
        client: runs the calls on the install.
        assert_open: raises ConfigurationError if no more limits can be declared.

    Attributes:
        declared: the limits that code has declared, by name. Workers send them to the database when they start. A limit that
            people have set stays as they have it.
    """

    def __init__(self, client: Client, assert_open: Callable[[str], None]) -> None:
        self._client, self._assert_open = client, assert_open
        self.declared: dict[str, Limit] = {}

    def declare(self, limit: Limit) -> None:
        """Declare a limit, as `PgQueue(limits=[…])` and `@app.task(limits=[Limit(…)])` do.

        Raises:
            ConfigurationError: it was declared with other values, or a worker of this app has started.
        """
        if not isinstance(limit, Limit):
            raise invalid("limit", limit, "use a Limit, for example Limit('openai', rate='60/m')")
        if limit.name in self.declared:
            self.assert_declared([limit])
        else:
            self._assert_open(f"limit {limit.name!r}")
            self.declared[limit.name] = limit

    def assert_declared(self, limits: Iterable[str | Limit]) -> None:
        """Refuse a Limit that is not declared with these values: workers do not see the call, so they would not know the limit.

        Raises:
            ConfigurationError: a limit is not declared, or is declared with other values.
        """
        for limit in limits:
            if not isinstance(limit, Limit):
                continue
            known = self.declared.get(limit.name)
            if known is None:
                raise ConfigurationError(
                    f"limit {limit.name!r}: workers would not know it; declare it by PgQueue(limits=[…]) or in a task's "
                    f"decorator, and give its name here"
                )
            if known != limit:
                raise ConfigurationError(
                    f"limit {limit.name!r}: it is declared as {known} and as {limit}; declare it once, and use its name elsewhere"
                )

    def set(
        self,
        name: str,
        *,
        rate: float | str | None = None,
        per: Per | None = None,
        burst: float | None = None,
        max_running: int | None = None,
        counts: Counts | None = None,
        weight: int | None = None,
        retry_blocks: bool | None = None,
        enabled: bool | None = None,
    ) -> None:
        """Create or change a limit. It applies at once, also to waiting jobs; nothing needs a restart.

        Args:
            name: as in `Limit`.
            rate, max_running: as in `Limit`; 0 removes it.
            per, burst, counts, weight, retry_blocks: as in `Limit`; a rate that is a number keeps the existing `per`. A new rate
                without a burst gets the default burst.
            enabled: False: the limit has no effect until it is enabled again.

        None does not change a value.

        Raises:
            InvalidArgument: a value is invalid.
        """
        values = limit_values(rate, per, burst, max_running, counts, weight, retry_blocks, enabled)
        with _missing_per():
            self._client.database.run(calls.set_limit(_text("name", name), values))

    async def aset(
        self,
        name: str,
        *,
        rate: float | str | None = None,
        per: Per | None = None,
        burst: float | None = None,
        max_running: int | None = None,
        counts: Counts | None = None,
        weight: int | None = None,
        retry_blocks: bool | None = None,
        enabled: bool | None = None,
    ) -> None:
        """`set` for async code."""
        values = limit_values(rate, per, burst, max_running, counts, weight, retry_blocks, enabled)
        with _missing_per():
            await self._client.async_database.run(calls.set_limit(_text("name", name), values))

    def get(self, key: str) -> LimitStatus:
        """The current values of a key: `openai`, `tenant:42`.

        Raises:
            InvalidArgument: no limit has this key; the message lists the existing limits.
        """
        found = self._client.database.run(calls.limit_status_of(_text("key", key)))
        if not found:
            raise unknown_key(key, self.list())
        return found[0]

    async def aget(self, key: str) -> LimitStatus:
        """`get` for async code."""
        found = await self._client.async_database.run(calls.limit_status_of(_text("key", key)))
        if not found:
            raise unknown_key(key, await self.alist())
        return found[0]

    def reset(self, key: str) -> int:
        """Fill the bucket of a key, or the buckets of all keys of a name. Running jobs continue, parked keys stay parked.

        Returns:
            The number of buckets filled; the bucket of a key that was not used recently is full already.

        Raises:
            InvalidArgument: no limit has this key.
        """
        return self._client.database.run(calls.reset_limit(_text("key", key)))

    async def areset(self, key: str) -> int:
        """`reset` for async code."""
        return await self._client.async_database.run(calls.reset_limit(_text("key", key)))

    def delete(self, name: str) -> None:
        """Remove a limit. Waiting jobs that have it are no longer limited by it; new jobs with it are refused.

        A limit that code declares is created again when the next worker starts.

        Raises:
            InvalidArgument: there is no such limit.
        """
        self._client.database.run(calls.delete_limit(_text("name", name)))

    async def adelete(self, name: str) -> None:
        """`delete` for async code."""
        await self._client.async_database.run(calls.delete_limit(_text("name", name)))

    def park(self, key: str, until: datetime | Duration, *, reason: str | None = None) -> None:
        """Park a key: its waiting jobs do not start until then; running jobs continue.

        Args:
            key: the key of a limit, or of jobs that take turns.
            until: a datetime with a time zone, or a timedelta or seconds from now. A shorter time does not replace a longer time.
            reason: why, for the audit log.

        Raises:
            InvalidArgument: no limit has this key, or the time or the reason is invalid.
        """
        self._client.database.run(parking(key, until, partial(calls.park, reason=read_text("reason", reason))))

    async def apark(self, key: str, until: datetime | Duration, *, reason: str | None = None) -> None:
        """`park` for async code."""
        call = parking(key, until, partial(calls.park, reason=read_text("reason", reason)))
        await self._client.async_database.run(call)

    def unpark(self, key: str) -> bool:
        """Open a key that was parked.

        Returns:
            Whether it was parked.

        Raises:
            InvalidArgument: no limit has this key.
        """
        return self._client.database.run(calls.unpark(_text("key", key)))

    async def aunpark(self, key: str) -> bool:
        """`unpark` for async code."""
        return await self._client.async_database.run(calls.unpark(_text("key", key)))

    def list(self) -> Statuses:
        """Every limit and every key in use, in the order of their keys."""
        return self._client.database.run(calls.limit_status())

    async def alist(self) -> Statuses:
        """`list` for async code."""
        return await self._client.async_database.run(calls.limit_status())

    def __repr__(self) -> str:
        return f"Limits(declared={sorted(self.declared)})"


def parking(
    key: str, until: datetime | Duration, park: Callable[[str, str | None, str | None], Call[None]] = calls.park
) -> Call[None]:
    """The call that parks a key: by people, or by a handler with `park_from_job`.

    Raises:
        InvalidArgument: the key or the time is invalid.
    """
    if isinstance(until, datetime):
        check_time("until", until)
        return park(_text("key", key), until.isoformat(), None)
    check_duration("until", until)
    after = until.total_seconds() if isinstance(until, timedelta) else until
    if after < 0:
        raise invalid("until", until, "use a datetime, or a timedelta or seconds from now, 0 or more")
    return park(_text("key", key), None, interval(until))


def limit_values(
    rate: Any, per: Any, burst: Any, max_running: Any, counts: Any, weight: Any, retry_blocks: Any, enabled: Any
) -> LimitValues:
    """The arguments of `Limits.set` in the form that set_limit takes.

    Raises:
        InvalidArgument: a value is invalid.
    """
    number, interval = read_rate("rate", rate, per)
    if number is not None and number < 0:
        raise invalid("rate", rate, "use a number above 0, or 0 for no rate limit")
    if burst is not None:
        check_number("burst", burst, 1)
    if max_running is not None:
        check_whole("max_running", max_running, 0)
    if weight is not None:
        check_whole("weight", weight, 1, 1000)
    for field, value in (("retry_blocks", retry_blocks), ("enabled", enabled)):
        if value is not None:
            check_flag(field, value)
    counted = None if counts is None else count_cost(counts)
    return LimitValues(number, interval, burst, max_running, counted, weight, retry_blocks, enabled)


@contextmanager
def _missing_per() -> Iterator[None]:
    """Reword an error of SQL for Python: only SQL knows whether a limit has an interval already."""
    try:
        yield
    except InvalidArgument as error:
        if str(error).startswith("per: NULL "):
            raise needs_per() from None
        raise


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise invalid(field, value, "use a text such as 'openai' or 'tenant:42'")
    return storable(field, value)


def unknown_key(key: str, there: Statuses) -> InvalidArgument:
    """The error about an unknown key, which names the existing limits."""
    names = [one.key for one in there if one.limit_name == one.key]
    if len(names) > MOST_NAMES:
        names[MOST_NAMES:] = [f"and {len(names) - MOST_NAMES} more"]
    return InvalidArgument(f"key: {key!r} is not valid; there is no such limit; there are: {', '.join(names) or 'none'}")
