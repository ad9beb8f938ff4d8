"""pgqueue pools, and pgqueue pool."""

import json
import uuid

import pytest

from ..looking import Look
from ..pool_agents import AGENT, SLOT
from .conftest import Run

MAKE = ("pools", "make", "mail", "shop.jobs:app")


def test_without_pools_it_says_so(run: Run) -> None:
    assert run("pools").out == "no pools\n"
    assert run("pools", "--json").out == ""


def test_a_pool_is_made_and_listed(run: Run) -> None:
    ran = run(*MAKE, "--queues", "mail=3,default", "--maximum", "8", "--wanted", "2")
    assert (ran.code, ran.out) == (
        0,
        "pool mail made: 0 of 2 workers run, 1 to 8 may be wanted, no agent runs it\n",
    )
    assert "no agent" in run("pools").out
    row = json.loads(run("pools", "--json").out)
    assert (row["name"], row["queues"], row["wanted"]) == ("mail", ["mail=3", "default"], 2)


def test_a_pool_is_shown_with_its_slots_agents_and_events(run: Run, look: Look) -> None:
    run(*MAKE)
    agent = str(uuid.uuid4())
    look.value(AGENT, agent)
    look.value(SLOT, agent)
    out = run("pool", "mail").out
    assert all(word in out for word in ("shop.jobs:app", "all of its app", "STARTING", "here", "made"))
    shown = json.loads(run("pool", "mail", "--json").out)
    assert [len(shown[part]) for part in ("workers", "agents", "events")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("to", "code", "says"),
    [
        ("5", 0, "pool mail: 5 workers wanted: 0 of 5 workers run"),
        ("+2", 0, "pool mail: 4 workers wanted"),
        ("-1", 0, "pool mail: 1 worker wanted"),
        ("9", 2, "pgqueue: wanted: '9' is not valid; 9 workers are outside of what the pool may have, 1 to 8"),
        ("-2", 2, "pgqueue: change: '-2' is not valid"),
        ("many", 2, "pgqueue: to: 'many' is not valid; give a number of workers such as 5, or a change such as +2 or -1"),
    ],
)
def test_a_pool_is_scaled_to_a_number_or_by_one(run: Run, to: str, code: int, says: str) -> None:
    run(*MAKE, "--maximum", "8", "--wanted", "2")
    ran = run("pools", "scale", "mail", "--", to)
    assert ran.code == code
    assert (ran.out + ran.err).startswith(says)


def test_a_change_may_be_typed_without_dashes_before_it(run: Run) -> None:
    run(*MAKE, "--wanted", "3")
    assert run("pools", "scale", "mail", "-1").out.startswith("pool mail: 2 workers wanted")


def test_a_pool_is_changed_rolled_paused_resumed_and_deleted(run: Run) -> None:
    run(*MAKE)
    assert run("pools", "set", "mail", "--queues", "post", "--maximum", "9").out.startswith(
        "pool mail changed: 0 of 1 workers run"
    )
    assert run("pools", "set", "mail", "--queues", "all").code == 0
    assert run("pools", "roll", "mail", "--reason", "new code").out.startswith("pool mail rolls to generation 4: ")
    assert [run("pools", verb, "mail").out for verb in ("pause", "pause", "resume", "resume")] == [
        "mail paused\n", "mail was paused already\n", "mail resumed\n", "mail was not paused\n",
    ]  # fmt: skip
    assert run("pools", "delete", "mail").out == "pool mail deleted\n"
    out = run("pools", "events", "mail").out
    assert all(word in out for word in ("deleted", "new code", "paused", "made"))
    assert json.loads(run("pools", "events", "mail", "--limit", "1", "--json").out)["kind"] == "deleted"


def test_nothing_to_change_is_said(run: Run) -> None:
    run(*MAKE)
    assert run("pools", "set", "mail").err == "pgqueue: values: give at least one option, such as --maximum 20\n"
    assert "give --on, --off, or at least one --rule" in run("pools", "autoscale", "mail").err
    assert "give a name and a value" in run("pools", "autoscale", "mail", "--rule", "depth_up").err


@pytest.mark.parametrize("arguments", [("pool",), ("pools", "pause"), ("pools", "roll"), ("pools", "delete")])
def test_a_pool_that_is_not_there(run: Run, arguments: tuple[str, ...]) -> None:
    run(*MAKE)
    ran = run(*arguments, "post")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == "pgqueue: name: there is no pool 'post'; there are: mail\n"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "[NaN]", "[" * 100_000])
def test_a_rule_that_is_no_json_is_refused_by_its_name(run: Run, value: str) -> None:
    run(*MAKE)
    ran = run("pools", "autoscale", "mail", "--rule", f"depth_up={value}")
    assert ran.code == 2
    assert "depth_up: " in ran.err
    assert "is not valid; use a whole number" in ran.err
    assert ran.err.count("\n") == 1
