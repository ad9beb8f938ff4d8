"""How many requests a key may send, and how many wrong keys an address."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from limits import RateLimitItemPerMinute

from pgqueue import PgQueue
from pgqueue.api import RateLimits, create_app
from pgqueue.api.callers import keys as api_keys
from pgqueue.api.callers import rates
from pgqueue.api.callers.rates import Rates, Window
from pgqueue.api.problems import Problem
from pgqueue.errors import ConfigurationError

from .keyed import bearer, client_of, count_look_ups, key_of
from .serving import served

WRONG = "pgq_000000000000_" + "A" * 43


class Clock:
    """The clock of the windows."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rates, "monotonic", clock)
    return clock


def test_a_key_that_asks_too_often_is_told_when_to_come_again(app: PgQueue) -> None:
    with served(create_app(app, RateLimits(read=3))) as url:
        with client_of(url, key_of(app, "viewer")) as api:
            assert [api.get("/capabilities").status_code for _ in range(4)] == [200, 200, 200, 429]
            answer = api.get("/capabilities")
        assert answer.json()["type"].endswith("/too-many-requests")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert answer.headers["ratelimit-limit"] == "3"
        assert answer.headers["ratelimit-remaining"] == "0"
        assert answer.headers["ratelimit-reset"] == answer.headers["retry-after"]
        with client_of(url, key_of(app, "viewer")) as another:
            assert another.get("/capabilities").status_code == 200


def test_reads_and_writes_are_counted_apart_and_leases_never(clock: Clock) -> None:
    counted = Rates(RateLimits(read=1, write=1))
    for rate in ("read", "write"):
        counted.count(rate, "a")
        with pytest.raises(Problem, match=f"a key may send 1 {rate} requests a minute"):
            counted.count(rate, "a")
    for _ in range(100):
        counted.count("lease", "a")
        counted.count("none", "a")


def test_the_window_moves(clock: Clock) -> None:
    counted = Rates(RateLimits(read=2))
    counted.count("read", "a")
    clock.now += 30
    counted.count("read", "a")
    clock.now += 29
    with pytest.raises(Problem) as refused:
        counted.count("read", "a")
    assert refused.value.headers["Retry-After"] == "1"
    clock.now += 1
    counted.count("read", "a")
    with pytest.raises(Problem) as refused:
        counted.count("read", "a")
    assert refused.value.headers["Retry-After"] == "30"


def test_the_counters_do_not_grow_without_bound(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_NAMES", 10)
    window, item = Window(), RateLimitItemPerMinute(5)
    for number in range(1000):
        window.acquire_entry(f"{number}", item.amount, 60)
    assert len(window._times) <= 11
    assert not window.acquire_entry("one more", item.amount, 60), "all further ones share a counter"
    assert window.get_moving_window("one more", item.amount, 60)[1] == 5
    clock.now += 61
    assert window.acquire_entry("one more", item.amount, 60), "the old ones have made room"
    assert len(window._times) == 1


def test_a_network_of_ipv6_is_one_caller(clock: Clock) -> None:
    counted = Rates(RateLimits(wrong_keys=1))
    counted.count_wrong("2001:db8::1")
    with pytest.raises(Problem):
        counted.check_wrong("2001:db8::2")
    counted.check_wrong("2001:db8:0:1::1")
    counted.check_wrong("192.0.2.1")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that were looked up."""
    return count_look_ups(monkeypatch)


def test_a_flood_of_wrong_keys_is_refused_without_asking_the_database(app: PgQueue, asked: list[str]) -> None:
    key_of(app)
    with served(create_app(app, RateLimits(wrong_keys=5))) as url, httpx.Client(base_url=f"{url}/api/v1") as api:

        def ask(number: int) -> int:
            return api.get("/capabilities", headers=bearer(f"pgq_{number:012}_{'A' * 43}")).status_code

        with ThreadPoolExecutor(20) as pool:
            statuses = list(pool.map(ask, range(200)))
    assert set(statuses) == {401, 429}
    assert 5 <= len(asked) <= 5 + 4


def test_a_flood_from_an_address_does_not_shut_out_a_key_that_is_used_there(
    app: PgQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when the key has to be looked up again."""
    monkeypatch.setattr(api_keys, "FRESH", 0.0)
    with served(create_app(app, RateLimits(wrong_keys=2))) as url, client_of(url, key_of(app)) as api:
        assert api.get("/capabilities").status_code == 200
        flood = [api.get("/capabilities", headers=bearer(WRONG)).status_code for _ in range(4)]
        assert flood == [401, 401, 429, 429]
        assert api.get("/capabilities").status_code == 200
        assert api.get("/capabilities", headers=bearer(key_of(app))).status_code == 429


@pytest.mark.parametrize("value", [0, -1, 1.5, True, 10**9])
def test_a_rate_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^wrong_keys: .* whole number from 1"):
        RateLimits(wrong_keys=value)
