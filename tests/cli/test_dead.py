"""pgqueue dead: lists, groups, counts, alerts."""

from collections.abc import Callable

import pytest

from pgqueue import PgQueue

from ..looking import Look
from .conftest import Run

Work = Callable[[], None]


@pytest.fixture
def letters(app: PgQueue, work: Work) -> list[int]:
    """Three dead letters of one kind, and one of another."""
    ids = [app.tasks["fail"].enqueue(f"user {n} is gone").id for n in range(3)]
    ids.append(app.tasks["fail"].enqueue("no route").id)
    work()
    return ids


def test_a_list_goes_on_behind_its_last_line(run: Run, letters: list[int]) -> None:
    seen = [line["id"] for line in run("dead", "--limit", "3", "--json").lines]
    said = run("dead", "--limit", "3", "--json").err
    assert said.startswith("go on with --after '")

    rest = run("dead", "--after", said.split("'")[1], "--json").lines

    assert sorted([*seen, *(line["id"] for line in rest)]) == letters
    assert {"fingerprint", "error_type", "traceback", "retried"} <= rest[0].keys()


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--where", '{"why": "no route"}'], 1),
        (["--error", "ValueError"], 4),
        (["--error", "KeyError"], 0),
        (["--task", "f*"], 4),
        (["--since", "1h"], 4),
        (["--until", "1h"], 0),
        (["--queue", "mail", "--queue", "bulk"], 4),
    ],
)
def test_a_filter_says_which(run: Run, letters: list[int], options: list[str], count: int) -> None:
    assert len(run("dead", *options, "--json").lines) == count
    assert sum(line["jobs"] for line in run("dead", "--group", *options, "--json").lines) == count
    assert sum(line["jobs"] for line in run("dead", "--by", "task", *options, "--json").lines) == count


def test_each_kind_of_failure_is_one_line_with_a_sample(run: Run, letters: list[int]) -> None:
    first, second = run("dead", "--group", "--json").lines

    assert (first["jobs"], second["jobs"]) == (3, 1)
    assert (first["sample_id"], second["sample_id"]) == (letters[2], letters[3])
    readable = run("dead", "--group").out
    assert "ValueError: user 2 is gone" in readable
    assert first["fingerprint"] in readable
    assert [line["id"] for line in run("dead", "--fingerprint", second["fingerprint"], "--json").lines] == [letters[3]]


def test_they_are_counted_by_a_property(run: Run, letters: list[int]) -> None:
    assert [(line["error_type"], line["jobs"]) for line in run("dead", "--by", "error_type", "--json").lines] == [
        ("ValueError", 4)
    ]
    assert "mail" in run("dead", "--by", "queue").out


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--alert", "4"], 4),
        (["--alert", "5"], 0),
        (["--alert", "1", "--group"], 4),
        (["--alert", "2", "--where", '{"why": "no route"}'], 0),
        (["--alert", "1", "--where", '{"why": "no route"}', "--json"], 4),
    ],
)
def test_an_alert_is_an_exit_code_of_its_own(run: Run, letters: list[int], options: list[str], code: int) -> None:
    ran = run("dead", *options)

    assert (ran.code, ran.err) == (code, "")
    assert ran.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--state", "succeeded"], "dead letters are failed"),
        (["--group", "--retry"], "leave out --group and --by"),
        (["--by", "args"], ""),
        (["--alert", "0"], ""),
    ],
)
def test_what_makes_no_sense_is_bad_input(run: Run, options: list[str], said: str) -> None:
    ran = run("dead", *options)

    assert ran.code == 2
    assert said in ran.err


def test_nothing_has_no_groups(run: Run, look: Look) -> None:
    assert run("dead", "--group").out == "no dead letters\n"
    assert run("dead", "--alert", "1").code == 0
