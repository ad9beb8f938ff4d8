"""The command line of the benchmarks: what a newcomer gets wrong is said in a line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.systems import NAMES, System, load

ROOT = Path(__file__).parents[2]


def _said(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["drain"], "'drain' is none of throughput"),
        (["throughput", "--systems", "pgqueue,pgqueur"], "'pgqueur' is none of pgqueue"),
        (["server", "--base", "nonsense"], "'nonsense' is no commit of this checkout"),
        (["page"], "Usage: python -m benchmarks page"),
        (["pictures", "/nowhere.jsonl"], "'/nowhere.jsonl' does not exist"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], said: str) -> None:
    code, text = _said(*arguments)
    assert code == 2
    assert said in text


def test_a_benchmark_that_measures_none_of_the_systems_says_so_before_a_server_is_started() -> None:
    code, text = _said("latency", "--systems", "one-key,bare")
    assert code == 1
    assert text == "latency measures none of one-key, bare"


def test_a_server_that_does_not_answer_is_said_once_and_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_DATABASE_URL", "postgresql://somebody:hidden@127.0.0.1:1/jobs")
    code, text = _said("latency", "--systems", "pgqueue,pgqueuer")
    assert code == 1
    assert text.startswith("the server that BENCHMARK_DATABASE_URL names does not answer")
    assert text.count("refused") == 1
    assert "hidden" not in text


@pytest.mark.parametrize("name", NAMES)
def test_each_system_has_what_is_asked_of_all(name: str) -> None:
    """`load` casts them, so that no type checker sees an attribute that is missing."""
    system = load(name)

    assert [attribute for attribute in System.__annotations__ if not hasattr(system, attribute)] == []


def test_the_help_names_the_other_systems_and_the_page() -> None:
    code, text = _said("--help")
    assert code == 0
    assert "…" not in text.replace("FILE…", "")
    for word in ("procrastinate", "celery", "page FILE…", "pictures FILE…"):
        assert word in text
