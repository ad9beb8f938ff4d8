"""The pytest plugin, in projects of its own: a process each, with the entry point that pyproject.toml declares."""

from pathlib import Path

import pytest

from tests.testing.conftest import Run

pytest_plugins = ["pytester"]

APP = """
from pgqueue import PgQueue

app = PgQueue()


@app.task
def double(number: int) -> int:
    return 2 * number
"""
CONFTEST = """
import pytest


@pytest.fixture
def pgqueue_app():
    from shop import app
    return app
"""


def test_the_connection_is_rolled_back_after_each_test(project: Run) -> None:
    test = """
        import pytest
        from shop import double
        from pgqueue.testing import assert_enqueued, drain

        @pytest.mark.parametrize("number", [1, 2])
        def test_twice(pgqueue_connection, pgqueue_app, number):
            with_connection = double.using(connection=pgqueue_connection)
            assert_enqueued(double, pgqueue_connection, count=0)
            with_connection.enqueue(number)
            assert [ran.result for ran in drain(pgqueue_app, pgqueue_connection)] == [2 * number]
    """
    shop = APP.replace("PgQueue()", 'PgQueue("postgresql://")')
    project(test, shop=shop, conftest=CONFTEST).assert_outcomes(passed=2)


def test_inline_runs_what_the_app_of_the_project_enqueues(project: Run) -> None:
    test = """
        from shop import double

        def test_inline(pgqueue_inline):
            assert double.enqueue(4).result() == 8
            assert len(pgqueue_inline.jobs) == 1
    """
    project(test, shop=APP, conftest=CONFTEST).assert_outcomes(passed=1)


def test_without_an_app_inline_says_how_to_give_one(project: Run) -> None:
    result = project("def test_inline(pgqueue_inline): ...")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pgqueue_app: define this fixture in your conftest.py*", "*def pgqueue_app():*"])


def test_a_project_that_uses_no_fixture_does_not_import_pgqueue(project: Run) -> None:
    test = """
        import sys

        def test_nothing_is_imported(request):
            assert request.config.pluginmanager.has_plugin("pgqueue")
            assert not {"pgqueue", "psycopg", "pydantic", "sqlalchemy"} & set(sys.modules)
    """
    project(test).assert_outcomes(passed=1)


def test_without_a_url_there_is_a_server_that_is_gone_afterwards(project: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGQUEUE_TEST_DATABASE_URL")
    test = """
        def test_a_server(pgqueue_connection, pgqueue_database_url):
            assert pgqueue_connection.execute("select count(*) from pgqueue.job").fetchone() == (0,)
            directory = pgqueue_connection.execute("show data_directory").fetchone()[0]
            print("the data is in", directory, end=" .")
            assert False
    """
    result = project(test)
    result.assert_outcomes(failed=1)
    (line,) = {line for line in result.outlines if line.startswith("the data is in")}
    directory = Path(line.split()[4])
    assert directory.name.startswith("pgqueue-test-")
    assert not directory.exists()
