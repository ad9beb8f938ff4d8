"""One word for one thing: a job whose last attempt failed is `failed`, and what is kept of it is a dead letter.

Dead are workers that have missed their lease, processes, and rows that vacuum removes. No job is dead, nor a node.
"""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
FOLDERS = ("pgqueue", "sql", "docs", "deploy", "examples")
KINDS = {".py", ".sql", ".md", ".html", ".json", ".yml", ".yaml", ".txt"}
NOUN = r"(?:job|node|task|call|run|parent|child|attempt)s?"
WRONG = (
    rf"\bdead {NOUN}\b",
    rf"\b(?:{NOUN}|it|that|which|they|one) (?:is|are|was|were|becomes?|became) dead\b(?! letter)",
    r"\b(?:scheduled|succeeded|cancelled|failed|ready|running|waiting|finished), dead\b(?! letter)",
    r"\bdead(?:,| or| and) (?:scheduled|succeeded|cancelled|busy|stale|finished)\b",
    r"\bthen,? dead(?=[.;:,])(?!\.\w)",
    rf"\b{NOUN} (?:dies|die|has died|have died|died)\b",
    r"'dead'(?! ?,? ?dead)|\"dead\" if",
)
# Public names that stay: renaming them would hurt more than it helps.
NAMES = re.compile(r"\bpgqueue dead\b|\bon_dead\w*|\bdead_\w+|'dead', dead\b")


def wrong_in(text: str) -> list[str]:
    """The places where a text calls a job dead."""
    text = NAMES.sub("", " ".join(re.sub(r"^ *(?:--|#) ?", " ", text, flags=re.MULTILINE).split()))
    return [text[max(0, found.start() - 30) : found.end() + 30] for each in WRONG for found in re.finditer(each, text)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_job_is_called_dead(folder: str) -> None:
    files = [file for file in (CHECKOUT / folder).rglob("*") if file.suffix in KINDS and "static" not in file.parts]
    assert len(files) > 2
    assert {str(file.relative_to(CHECKOUT)): wrong for file in files if (wrong := wrong_in(file.read_text()))} == {}


def test_the_readme_and_the_words_of_a_release_call_no_job_dead() -> None:
    assert {name: wrong for name in ("README.md", "CHANGELOG.md") if (wrong := wrong_in((CHECKOUT / name).read_text()))} == {}


@pytest.mark.parametrize(
    "text",
    ["a dead job", "the job is dead.", "it is dead", "-- that waits, dead\n-- or done; then dead.", "a node that\n-- is dead",
     "when a job dies", "succeeded, dead"],
)  # fmt: skip
def test_the_wrong_words_are_found(text: str) -> None:
    assert wrong_in(text)


@pytest.mark.parametrize(
    "text",
    ["a dead letter", "it becomes a dead letter", "dead workers: 2", "dead rows", "`pgqueue dead --by hour`", "app.on_dead"],
)
def test_the_right_words_are_not(text: str) -> None:
    assert not wrong_in(text)
