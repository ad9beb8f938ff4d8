"""Filters as text, as pages write them: SQL reads what they write."""

import json
import time
from typing import Any

import pytest

from pgqueue.dashboard.nouns import filter_text
from tests.sql.conftest import Sql
from tests.sql.test_check_filter import EVERYTHING


@pytest.mark.parametrize(
    "filter",
    [
        {},
        EVERYTHING,
        {"error_type": ["*.Timeout", "Timeout"]},
        {"error_type": ["*.Timeout", "ValueError"]},
        {"queue": ["a,b", 'say "x"', "with space", "C:\\dir", "💥"]},
        {"task": ["<script>alert('x')</script>", "ns:task", "17"]},
        {"args": {"a": {"b": "5", "c": 5, "d": None, "e": True, "f": "", "g": "true", "h": [1, {"x": 'y "z" \\'}], "i": {}}}},
        {"args": {"a.b": 1, "with space": {'q"uote': 2, "co:lon": "x:y"}}, "meta": {"text": 'two words, "quoted" \\ and [1]'}},
        {"args": {"a": "[not JSON", "b": "{", "c": "line\nbreak"}},
        {"args": {}},
        {"limit": "tenant:a b", "schedule": "every, day"},
    ],
)
def test_a_filter_that_is_written_as_text_is_read_as_the_same_filter(sql: Sql, filter: dict[str, Any]) -> None:
    text = filter_text.text_of(filter)
    assert text is not None
    assert sql.value("select check_filter(%s)", json.dumps({"q": text})) == sql.value(
        "select check_filter(%s)", json.dumps(filter)
    )


def test_a_filter_that_is_too_long_for_a_link_has_no_text() -> None:
    assert filter_text.text_of({"ids": list(range(101))}) is None
    assert filter_text.text_of({"task": ["x" * 200] * 30}) is None


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("", "failed", "state:failed"),
        ('state:ready args.state:"a b" state:failed', "running", 'args.state:"a b" state:running'),
        ("queue:mail state:ready", None, "queue:mail"),
    ],
)
def test_a_term_takes_the_place_of_others_of_its_field(text: str, value: str | None, expected: str) -> None:
    assert filter_text.replaced(text, "state", value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("args.customer:5", "args.customer:5 since:7d"),
        ("queue:mail meta.a:1", "queue:mail meta.a:1 since:7d"),
        ("args.customer:5 since:ever", "args.customer:5 since:ever"),
        ("args.customer:5 17", "args.customer:5 17"),
        ("args.customer:5 workflow:7", "args.customer:5 workflow:7"),
        ("args.customer:5 finished_after:-1h", "args.customer:5 finished_after:-1h"),
        ('task:"args.customer:5"', 'task:"args.customer:5"'),
    ],
)
def test_a_look_at_arguments_alone_is_bounded(text: str, expected: str) -> None:
    assert filter_text.bounded(text) == expected


def test_quotes_that_are_not_closed_take_no_time() -> None:
    for text in ('"' + '\\"' * 50_000, '"\\' * 50_000, 'a "b c\\'):
        begin = time.process_time()
        assert "".join(filter_text.terms(text)).replace(" ", "") == text.replace(" ", "")
        assert time.process_time() - begin < 1
