"""The limits of an app: declared in code, changed and looked at at run time."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from .._checks import Duration, check_duration, check_time, interval, invalid
from .._text import storable
from ..client import Client
from ..database import Call
from ..database.calls import limits as calls
from ..database.calls.limits import LimitStatus as LimitStatus
from ..database.calls.limits import LimitValues
from ..errors import ConfigurationError, InvalidArgument
from .limit import Counts, Limit, Per, check_flag, check_number, check_whole, count_cost, needs_per, read_rate

MOST_NAMES = 20  # in an error
Statuses = list[LimitStatus]  # in the class `list` is a method


class Limits:
    """What `app.limits` is.

    Args:
        client: where they are set.
        assert_open: raises ConfigurationError when nothing more can be declared.

    Attributes:
        declared: those that code has declared, by name; workers make them known when they start. What people have set since
            stays until the declaration in the code changes.
    """

    def __init__(self, client: Client, assert_open: Callable[[str], None]) -> None:
        self._client, self._assert_open = client, assert_open
        self.declared: dict[str, Limit] = {}

    def declare(self, limit: Limit) -> None:
        """Say what a limit is; `PgQueue(limits=[…])` and `@app.task(limits=[Limit(…)])` do the same.

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
        """Refuse each Limit that is not declared as it is: workers, which have no part in a call, would not know of it.

        Raises:
            ConfigurationError: it is not declared, or with other values.
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
        """Make a limit, or change one: at once, for what waits too, and without restarting anything.

        Args:
            name: as in `Limit`.
            rate, max_running: as in `Limit`; 0 takes it off.
            per, burst, counts, weight, retry_blocks: as in `Limit`; a rate that is a number keeps the `per` that is there. A new
                rate without a burst gets the default one.
            enabled: False: it limits nothing until it is enabled again.

        None leaves a value as it is.

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
        """How a key stands: `openai`, `tenant:42`.

        Raises:
            InvalidArgument: no limit has this key; the message lists those there are.
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
        """Fill the bucket of a key, or those of all keys of a name. What runs goes on, what is parked stays so.

        Returns:
            The number of buckets filled; a key that was not used lately is full already.

        Raises:
            InvalidArgument: no limit has this key.
        """
        return self._client.database.run(calls.reset_limit(_text("key", key)))

    async def areset(self, key: str) -> int:
        """`reset` for async code."""
        return await self._client.async_database.run(calls.reset_limit(_text("key", key)))

    def delete(self, name: str) -> None:
        """Remove a limit. Jobs that have it and wait are not limited by it any more; new ones that name it are refused.

        One that code declares is there again when the next worker starts.

        Raises:
            InvalidArgument: there is no such limit.
        """
        self._client.database.run(calls.delete_limit(_text("name", name)))

    async def adelete(self, name: str) -> None:
        """`delete` for async code."""
        await self._client.async_database.run(calls.delete_limit(_text("name", name)))

    def park(self, key: str, until: datetime | Duration) -> None:
        """Shut a key: its waiting jobs stay where they are until then, those that run go on.

        Args:
            key: of a limit, or of jobs that take turns.
            until: a datetime with a time zone, or a timedelta or seconds from now. A shorter time does not undo a longer one.

        Raises:
            InvalidArgument: no limit has this key, or the time is invalid.
        """
        self._client.database.run(parking(key, until))

    async def apark(self, key: str, until: datetime | Duration) -> None:
        """`park` for async code."""
        await self._client.async_database.run(parking(key, until))

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


def parking(key: str, until: datetime | Duration) -> Call[None]:
    """The call that parks a key.

    Raises:
        InvalidArgument: key or time are invalid.
    """
    if isinstance(until, datetime):
        check_time("until", until)
        return calls.park(_text("key", key), until.isoformat(), None)
    check_duration("until", until)
    after = until.total_seconds() if isinstance(until, timedelta) else until
    if after < 0:
        raise invalid("until", until, "use a datetime, or a timedelta or seconds from now, 0 or more")
    return calls.park(_text("key", key), None, interval(until))


def limit_values(
    rate: Any, per: Any, burst: Any, max_running: Any, counts: Any, weight: Any, retry_blocks: Any, enabled: Any
) -> LimitValues:
    """What `Limits.set` was given, as set_limit takes it.

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
    """Only SQL knows whether a limit has an interval already; the error is reworded for Python."""
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
    """The error that names those that there are."""
    names = [one.key for one in there if one.limit_name == one.key]
    if len(names) > MOST_NAMES:
        names[MOST_NAMES:] = [f"and {len(names) - MOST_NAMES} more"]
    return InvalidArgument(f"key: {key!r} is not valid; there is no such limit; there are: {', '.join(names) or 'none'}")
