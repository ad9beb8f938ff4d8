"""Retry: how a policy is spelled for SQL, where its rules live."""

import re
from typing import Any

import pytest

from pgqueue import Retry
from pgqueue.errors import ConfigurationError, Disconnected
from pgqueue.outcomes import seconds
from pgqueue.retry import qualified_name


class Outer:
    class Inner(Exception): ...


def test_the_default_policy_is_not_spelled_at_all() -> None:
    assert Retry().policy() is None
    assert Retry(9).policy() is None


@pytest.mark.parametrize(
    ("policy", "spelled"),
    [
        (Retry(backoff="fibonacci"), {"backoff": "fibonacci"}),
        (Retry(backoff="fixed", delay=0), {"backoff": "fixed", "delay": 0}),
        (Retry(backoff="linear", step=3), {"backoff": "linear", "step": 3}),
        (Retry(backoff=[1, 5, 30]), {"backoff": "list", "delays": [1, 5, 30]}),
        (Retry(backoff=(1, 5)), {"backoff": "list", "delays": [1, 5]}),
        (Retry(jitter=False, cap=10), {"jitter": False, "cap": 10}),
        (Retry(only=[OSError, "lib.Oops"]), {"only": ["OSError", "lib.Oops"]}),
        (Retry(never=[Disconnected]), {"never": ["pgqueue.errors.Disconnected"]}),
    ],
)
def test_a_policy_is_spelled_by_what_differs_from_the_default(policy: Retry, spelled: dict[str, object]) -> None:
    assert policy.policy() == spelled


@pytest.mark.parametrize("retries", [-1, 32767, "5", None, [5]])
def test_a_number_of_retries_out_of_range_is_refused(retries: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"retries: {re.escape(repr(retries))} is not valid; use 0 to 32766"):
        Retry(retries)


def test_an_exception_is_known_by_its_module_and_name() -> None:
    assert qualified_name(ValueError) == "ValueError"
    assert qualified_name(Outer.Inner) == f"{__name__}.Outer.Inner"


def test_a_delay_is_a_number_of_seconds_or_a_timedelta() -> None:
    from datetime import timedelta

    assert [seconds(delay) for delay in (2, 0.5, timedelta(minutes=1))] == [2, 0.5, 60]
