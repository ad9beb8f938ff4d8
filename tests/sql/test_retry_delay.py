"""retry_delay and the policies: when a failed job runs again, and whether at all."""

import json
from typing import Any

import pytest

from .conftest import Sql

WITHOUT_JITTER: list[tuple[dict[str, Any], list[float]]] = [
    ({}, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]),
    ({"backoff": "exponential", "delay": 3, "cap": 10}, [3, 6, 10, 10]),
    ({"backoff": "linear", "delay": 5}, [5, 5, 5]),
    ({"backoff": "linear", "delay": 5, "step": 10}, [5, 15, 25]),
    ({"backoff": "fixed", "delay": 7}, [7, 7, 7]),
    ({"backoff": "fibonacci"}, [1, 1, 2, 3, 5, 8, 13, 21]),
    ({"backoff": "fibonacci", "delay": 2}, [2, 2, 4, 6, 10]),
    ({"backoff": "list", "delays": [1, 0.5, 30]}, [1, 0.5, 30, 30, 30]),
    ({"backoff": "fixed", "delay": 0}, [0, 0]),
    ({"backoff": "fixed", "delay": 900}, [900, 900]),
    ({"backoff": "list", "delays": [600, 3600]}, [600, 3600, 3600]),
    ({"backoff": "linear", "delay": 400, "step": 400}, [400, 800, 1200]),
]


@pytest.mark.one_case
@pytest.mark.parametrize(("policy", "waits"), WITHOUT_JITTER)
def test_the_wait_after_each_attempt_is_as_documented(rolled_back_sql: Sql, policy: dict[str, Any], waits: list[float]) -> None:
    spelled = json.dumps({**policy, "jitter": False})

    measured = [
        float(rolled_back_sql.value("select extract(epoch from retry_delay(%s, %s))", spelled, attempt))
        for attempt in range(1, len(waits) + 1)
    ]

    assert measured == waits


@pytest.mark.one_case
@pytest.mark.parametrize("backoff", ["exponential", "linear", "fixed", "fibonacci"])
def test_the_last_possible_attempt_waits_no_longer_than_the_cap(rolled_back_sql: Sql, backoff: str) -> None:
    policy = json.dumps({"backoff": backoff, "delay": 1e9, "step": 1e9, "cap": 60, "jitter": False})

    assert rolled_back_sql.value("select extract(epoch from retry_delay(%s, 32767))", policy) == 60


def test_jitter_waits_between_half_of_the_delay_and_the_delay(rolled_back_sql: Sql) -> None:
    waits = rolled_back_sql.rows(
        """select extract(epoch from retry_delay('{"backoff": "fixed", "delay": 10}', 1))::float8 as wait
             from generate_series(1, 500)"""
    )

    assert all(5 <= row["wait"] <= 10 for row in waits)
    assert len({row["wait"] for row in waits}) > 400


def test_without_a_policy_the_wait_is_exponential_with_jitter(rolled_back_sql: Sql) -> None:
    assert 4 <= rolled_back_sql.value("select extract(epoch from retry_delay(null, 4))") <= 8


APPLIES: list[tuple[dict[str, Any] | None, list[str], bool]] = [
    (None, ["ValueError", "Exception"], True),
    ({}, ["ValueError", "Exception"], True),
    ({}, [], True),
    ({"only": ["OSError"]}, ["ConnectionError", "OSError", "Exception"], True),
    ({"only": ["OSError"]}, ["ValueError", "Exception"], False),
    ({"only": ["OSError"]}, [], False),
    ({"only": ["OSError", "ValueError"]}, ["ValueError"], True),
    ({"never": ["ValueError"]}, ["UnicodeError", "ValueError", "Exception"], False),
    ({"never": ["ValueError"]}, ["OSError", "Exception"], True),
    ({"only": ["Exception"], "never": ["ValueError"]}, ["ValueError", "Exception"], False),
]


@pytest.mark.one_case
@pytest.mark.parametrize(("policy", "types", "again"), APPLIES)
def test_only_and_never_look_at_the_class_and_what_it_inherits(
    sql: Sql, policy: dict[str, Any] | None, types: list[str], again: bool
) -> None:
    id, token = sql.running(retry=None if policy is None else json.dumps(policy))

    sql.finish(token, {"id": id, "state": "failed", "error": {"type": "E", "types": types}})

    assert sql.state(id) == ("scheduled" if again else "failed")


BAD_POLICIES: list[tuple[Any, str]] = [
    ([], "retry"),
    (5, "retry"),
    ({"backoff": "square"}, "retry.backoff"),
    ({"backoff": 2}, "retry.backoff"),
    ({"delay": -1}, "retry.delay"),
    ({"delay": "1"}, "retry.delay"),
    ({"delay": None}, "retry.delay"),
    ({"delay": [1]}, "retry.delay"),
    ({"delay": 10**400}, "retry.delay"),
    ({"step": -0.5}, "retry.step"),
    ({"cap": "x"}, "retry.cap"),
    ({"jitter": "often"}, "retry.jitter"),
    ({"backoff": "list"}, "retry.delays"),
    ({"backoff": "list", "delays": []}, "retry.delays"),
    ({"backoff": "list", "delays": 1}, "retry.delays"),
    ({"backoff": "list", "delays": [1, -1]}, "retry.delays"),
    ({"backoff": "list", "delays": [1, "2"]}, "retry.delays"),
    ({"backoff": "list", "delays": [[1]]}, "retry.delays"),
    ({"backoff": "list", "delays": [10**400]}, "retry.delays"),
    ({"only": "ValueError"}, "retry.only"),
    ({"never": [1]}, "retry.never"),
    ({"never": [["ValueError"]]}, "retry.never"),
]


@pytest.mark.one_case
@pytest.mark.parametrize(("policy", "field"), BAD_POLICIES)
def test_a_policy_that_could_not_be_computed_is_refused_at_enqueue(rolled_back_sql: Sql, policy: Any, field: str) -> None:
    refused = rolled_back_sql.refusal("select enqueue('send', retry => %s)", json.dumps(policy))

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)
    message = str(refused.diag.message_primary)
    assert message.startswith(f"{field}: ")
    assert " is not valid; " in message
