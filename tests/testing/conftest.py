"""A connection in a transaction, as a test of an application has it."""

import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.looking import Look

CHECKOUT = Path(__file__).parents[2]
Run = Callable[..., pytest.RunResult]
# Installed beside us here; importing them would take most of the time of a project's run.
OTHER_PLUGINS = ("postgresql", "asyncio", "schemathesis", "hypothesispytest", "anyio", "django", "xdist", "xdist.looponfail")


@pytest.fixture
def theirs(connect: Callable[..., psycopg.Connection[Any]]) -> Iterator[psycopg.Connection[Any]]:
    """The test's own transaction, which is rolled back."""
    connection = connect(autocommit=False)
    yield connection
    connection.rollback()


@pytest.fixture
def look(connect: Callable[..., psycopg.Connection[Any]]) -> Look:
    """What is committed."""
    return Look(connect())


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Run:
    """Runs pytest in a project that has pgqueue installed, however this checkout is."""
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    installed = pytester.mkdir("installed")
    info = installed / "pgqueue_under_test-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pgqueue-under-test\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[pytest11]\n" + "\n".join(f"{name} = {value}" for name, value in declared.items()))
    for name in [name for name in os.environ if name.startswith("PGQUEUE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", f"{installed}:{CHECKOUT}")
    monkeypatch.setenv("PGQUEUE_TEST_DATABASE_URL", database_url)

    def run(tests: str, *options: str, keep: str = "", **modules: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=tests, **modules)
        plugins = [part for name in OTHER_PLUGINS if name != keep for part in ("-p", f"no:{name}")]
        return pytester.run(sys.executable, "-m", "pytest", "-q", "-W", "error", *plugins, *options)

    return run
