"""How many requests a key may send in a minute. Each process counts for itself: two processes allow twice as many."""

from collections import deque
from dataclasses import dataclass, fields
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import NoReturn

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter

from ..._checks import is_whole
from ...errors import ConfigurationError
from ..problems import Problem

MOST_NAMES = 10_000  # that are counted one by one; all further ones share a counter
MOST = 10_000_000  # a minute
_OTHERS = "others"
_EVERYBODY = 6000  # wrong keys a minute of all addresses together


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The most requests in any minute, for each process.

    Attributes:
        read: of one key, that read.
        write: of one key, that change something. Requests by which workers keep and end their leases are never refused.
        wrong_keys: of one address, with a key that is not valid.
    """

    read: int = 6000
    write: int = 60_000
    wrong_keys: int = 20

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not is_whole(value) or not 1 <= value <= MOST:
                raise ConfigurationError(f"{field.name}: {value!r} is not valid; use a whole number from 1 to {MOST:,} a minute")


class Rates:
    """Counts requests, and refuses those that are too many."""

    def __init__(self, limits: RateLimits) -> None:
        self._limiter = MovingWindowRateLimiter(Window())
        self._items: dict[str, RateLimitItem] = {
            "read": RateLimitItemPerMinute(limits.read, namespace="read"),
            "write": RateLimitItemPerMinute(limits.write, namespace="write"),
        }
        self._wrong = RateLimitItemPerMinute(limits.wrong_keys, namespace="wrong")
        self._all_wrong = RateLimitItemPerMinute(max(_EVERYBODY, limits.wrong_keys), namespace="all wrong")

    def count(self, rate: str, who: str) -> None:
        """Count a request. Raises Problem if there are too many of its kind."""
        item = self._items.get(rate)
        if item is not None and not self._limiter.hit(item, who):
            self._refuse(item, who, f"a key may send {item.amount:,} {rate} requests a minute to one process")

    def check_wrong(self, address: str) -> None:
        """Raise Problem if this address, or all together, have sent too many wrong keys."""
        for item, who in ((self._wrong, _group(address)), (self._all_wrong, "")):
            if not self._limiter.test(item, who):
                self._refuse(item, who, "too many keys that are not valid came from here")

    def count_wrong(self, address: str) -> None:
        """Count a wrong key."""
        self._limiter.hit(self._wrong, _group(address))
        self._limiter.hit(self._all_wrong, "")

    def _refuse(self, item: RateLimitItem, who: str, detail: str) -> NoReturn:
        stats = self._limiter.get_window_stats(item, who)
        seconds = str(max(1, int(stats.reset_time - monotonic() + 0.999)))
        headers = {
            "Retry-After": seconds,
            "RateLimit-Limit": str(item.amount),
            "RateLimit-Remaining": str(stats.remaining),
            "RateLimit-Reset": seconds,
        }
        raise Problem("too-many-requests", f"{detail}; try again in {seconds} s", headers)


class Window(Storage, MovingWindowSupport):
    """The times of the last requests, in memory and bounded, on a clock that nobody sets.

    The storage that comes with `limits` moves all entries for each new one, and starts a thread 100 times a second.
    """

    STORAGE_SCHEME = ["pgqueue-memory"]  # noqa: RUF012 - as in its base class

    def __init__(self) -> None:
        super().__init__()
        self._times: dict[str, deque[float]] = {}
        self._swept_at = 0.0

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count a request, unless there were `limit` of them in the last `expiry` seconds. Returns whether there were not."""
        now = monotonic()
        times = self._times.get(key)
        if times is None:
            name = self._room_for(key, now - expiry)
            times = self._times.setdefault(name, deque())
        _drop(times, now - expiry)
        if len(times) + amount > limit:
            return False
        times.extend([now] * amount)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The time of the first request that counts, and how many there are."""
        now = monotonic()
        times = self._times.get(key) or (self._times.get(_OTHERS) if len(self._times) >= MOST_NAMES else None)
        if times:
            _drop(times, now - expiry)
        return (times[0], len(times)) if times else (now, 0)

    def _room_for(self, key: str, expired: float) -> str:
        """The name under which a new key is counted."""
        if len(self._times) >= MOST_NAMES and self._swept_at < monotonic() - 1:
            self._swept_at = monotonic()
            self._times = {name: times for name, times in self._times.items() if times and times[-1] > expired}
        return key if len(self._times) < MOST_NAMES else _OTHERS

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def check(self) -> bool:
        return True

    def clear(self, key: str) -> None:
        self._times.pop(key, None)

    def reset(self) -> int:
        count = len(self._times)
        self._times.clear()
        return count

    def get(self, key: str) -> int:
        return len(self._times.get(key, ()))

    def get_expiry(self, key: str) -> float:
        return monotonic()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        raise NotImplementedError("only moving windows are counted here")


def _drop(times: deque[float], expired: float) -> None:
    while times and times[0] <= expired:
        times.popleft()


@lru_cache(maxsize=4096)
def _group(address: str) -> str:
    """Addresses that one caller can have: a caller with IPv6 has a network of them."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if isinstance(known, IPv6Address):
        return str(known.ipv4_mapped or f"{int(known) >> 64:x}::/64")
    return str(known)
