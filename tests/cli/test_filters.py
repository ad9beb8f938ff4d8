"""The options of a filter, and what becomes of them."""

from datetime import timedelta
from typing import Any

import pytest

from pgqueue.cli.bulk import read_named
from pgqueue.cli.filters import OPTIONS, filter_json, read_filter
from pgqueue.cli.options import State
from pgqueue.errors import InvalidArgument

NONE = dict.fromkeys(OPTIONS)


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({}, {}),
        ({"state": [State.ready], "queue": ["a", "b"]}, {"state": ["ready"], "queue": ["a", "b"]}),
        ({"task": ["mail.*"], "error": ["TimeoutError"]}, {"task": ["mail.*"], "error_type": ["TimeoutError"]}),
        ({"where": '{"customer": 5}', "meta": "{}"}, {"args": {"customer": 5}, "meta": {}}),
        ({"since": "2h"}, {"created_after": timedelta(hours=-2)}),
        (
            {"since": "2h", "state": [State.failed, State.cancelled]},
            {"state": ["failed", "cancelled"], "finished_after": timedelta(hours=-2)},
        ),
        (
            {"until": "30", "state": [State.failed, State.ready]},
            {"state": ["failed", "ready"], "created_before": timedelta(seconds=-30)},
        ),
        ({"limit_key": "tenant:4", "workflow": 7}, {"limit": "tenant:4", "workflow": 7}),
        ({"filter_fields": '{"run_at_before": "+1 h", "queue": null}', "queue": ["a"]}, {"run_at_before": "+1 h"}),
    ],
)
def test_options_become_fields(options: dict[str, Any], fields: dict[str, Any]) -> None:
    assert read_filter({**NONE, **options}) == fields


def test_a_command_about_dead_letters_means_the_time_at_which_they_ended() -> None:
    assert read_filter({**NONE, "since": "1d"}, State.failed) == {"state": ["failed"], "finished_after": timedelta(days=-1)}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"where": "[1]"}, "where"),
        ({"where": '{"a": 1, "a": 2}'}, "where"),
        ({"meta": "{"}, "meta"),
        ({"since": "soon"}, "since"),
        ({"filter_fields": "5"}, "filter"),
    ],
)
def test_what_is_invalid_is_refused_by_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{field}: "):
        read_filter({**NONE, **options})


def test_a_text_and_options_are_both_given_on() -> None:
    found = read_filter({**NONE, "queue": ["a"]}, None, ["state:failed", "error:Timeout"])
    assert found == {"queue": ["a"], "q": "state:failed error:Timeout"}


def test_since_beside_a_text_means_the_time_that_its_states_say() -> None:
    found = read_filter({**NONE, "since": "2h", "until": "2030-01-31T12:00+01:00"}, State.failed, ["queue:a"])
    assert found["q"].startswith("queue:a since:7200.000000 until:2030-01-31T")
    assert found["state"] == ["failed"]


def test_ids_and_terms_may_stand_beside_each_other() -> None:
    assert read_named(["17", "18 19", "queue:mail state:ready"]) == ([17, 18, 19], ["queue:mail state:ready"])


@pytest.mark.parametrize("word", ["17a", "welcome", "", "-", "1.5", "²"])
def test_what_is_neither_an_id_nor_a_term_is_refused(word: str) -> None:
    """Else a misspelt id would be the name of a task."""
    with pytest.raises(InvalidArgument, match=r"^id: "):
        read_named([word])


def test_without_options_the_filter_is_empty() -> None:
    assert filter_json(read_filter(NONE)) == "{}"
