"""FAULTS 47: names and payloads of an attacker are stored as they are or refused; nothing is imported, rendered or obeyed."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from tests.cli.conftest import Ran, run_here
from tests.looking import Look

LONG = "x" * 10_000
ESCAPES = "\x1b[31mred\x1b[0m \x9b31m \x07 \x7f"
TEXTS = {
    "sql": "'; drop table job; --",
    "quotes": "\" ' \\' '' \"\" ` \\",
    "dollars": "$$; select pg_sleep(60); $$ $1 $body$",
    "python format": "%s %(name)s %% {schema} {0} {job.__class__}",
    "jinja": "{{ 7 * 7 }} ${7*7} #{7*7}",
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "markup": "[red]red[/red] [link=http://x]link[/link] [/]",
    "escapes": ESCAPES,
    "lines": "one\ntwo\r\n\tthree\u2028four",
    "dotted path": "os.system",
    "module": "this:s",
    "shell": "$(touch /tmp/x) `id` | cat; exit",
    "path": "../../../etc/passwd\\..",
    "unicode": "\U0001f600 \u202egnp.exe \u00e9 e\u0301 \ufeff",
    "null word": "null",
}
UNSTORABLE = {"nul": "a\x00b", "half a surrogate": "a\ud800b"}
DEEP = "[" * 10_000 + "]" * 10_000
OBEYED = set("\x1b\x9b\x07\x7f\u202e\ufeff")  # by terminals, or by what lays out text
by_name = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())


@pytest.fixture
def look(connection: psycopg.Connection[Any]) -> Look:
    return Look(connection)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, database_url: str) -> Callable[..., Ran]:
    """Runs a command on the test's database."""
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    return lambda *arguments: run_here(capsys, *arguments)


Run = Callable[..., Ran]


def named(app: PgQueue, name: str) -> Any:
    """A task of this name that takes anything."""

    def take(text: Any = None) -> None: ...

    return app.task(name=name)(take)
