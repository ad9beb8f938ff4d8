"""docs/api.md does what it says: its commands are run, and what it shows of answers is compared."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from tests.api.serving import served

GUIDE = (Path(__file__).parents[2] / "docs/api.md").read_text()
SHELL = [block for block in re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.M | re.S) if "pgqueue" not in block]
(PYTHON,) = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.M | re.S)
CURL = 'curl() { command curl --fail-with-body "$@" | cut -c1-2000; return "${PIPESTATUS[0]}"; }\n'


@pytest.fixture
def key(connection: psycopg.Connection[Any], database_url: str) -> str:
    """An API key of the role admin, made by the command."""
    made = subprocess.run(
        [sys.executable, "-m", "pgqueue", "keys", "create", "--role", "admin", "--name", "guide"],
        env=os.environ | {"PGQUEUE_DATABASE_URL": database_url},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def test_each_command_is_answered_as_the_guide_shows(base_url: str, key: str, connection: psycopg.Connection[Any]) -> None:
    environment = {**os.environ, "PGQUEUE_API": base_url, "PGQUEUE_API_KEY": key}
    script = "set -e\n" + CURL + "".join(SHELL)
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = done.stdout.splitlines()
    assert len(answers) == len(re.findall("^curl ", "".join(SHELL), re.M))
    shown = [line.removesuffix(", both times") for line in re.findall(r"^# (\{.*)$", "".join(SHELL), re.M)]
    assert len(shown) == 5
    for line in shown:
        assert any(_is_as_shown(answer, line) for answer in answers), f"{line} is not among {answers}"
    assert answers.count('{"id":"4","duplicate":false}') == 2
    assert connection.execute("select count(*) from jobs where state = 'cancelled'").fetchone() == (3,)


def _is_as_shown(answer: str, shown: str) -> bool:
    """Whether an answer is what the guide shows of it; … stands for any text."""
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), answer) is not None


@pytest.fixture
def own_app(
    database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Any]]:
    """Makes the application of the guide."""
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    names: dict[str, Any] = {}

    def make() -> Any:
        exec(PYTHON, names)
        return names["web"]

    yield make
    app: PgQueue = names["app"]
    app.close()


def test_an_application_has_the_api_in_both_places_that_the_guide_names(own_app: Callable[[], Any]) -> None:
    with served(own_app()) as url:
        for number, place in enumerate(re.findall(r"at (/\S+/api/v1/)", PYTHON), 1):
            added = httpx.post(f"{url}{place.rstrip('…')}jobs", json={"task": "send_mail"}, timeout=20)
            assert (added.status_code, added.json()) == (201, {"id": str(number), "duplicate": False})
    assert number == 2
