"""The examples of docs/testing.md are a project whose tests pass."""

import re

import pytest

from tests.testing.conftest import CHECKOUT, Run

pytest_plugins = ["pytester"]
BLOCK = re.compile(r"^```python\n# (\S+)\.py\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What a Django project and pytest-django do: settings, and no test before them.
DJANGO = """
import os

import django
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

given = conninfo_to_dict(os.environ["PGQUEUE_TEST_DATABASE_URL"])
names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
database = {theirs: given.get(name) or "" for name, theirs in names.items()} | {"ENGINE": "django.db.backends.postgresql"}
settings.configure(DATABASES={"default": database}, USE_TZ=True)
django.setup()
"""


def test_the_examples_of_the_guide_pass(project: Run) -> None:
    guide = (CHECKOUT / "docs/testing.md").read_text()
    blocks = dict(BLOCK.findall(guide))
    assert len(blocks) == guide.count("```python")
    tests = sum(block.count("def test_") for block in blocks.values())
    assert tests >= 10
    # pytest-django would make a database of its own.
    result = project("", "-p", "no:django", "-p", "django_setup", keep="anyio", django_setup=DJANGO, **blocks)
    result.assert_outcomes(passed=tests)


def test_an_example_that_is_wrong_would_be_found(project: Run) -> None:
    blocks = dict(BLOCK.findall((CHECKOUT / "docs/testing.md").read_text()))
    blocks["test_drain"] = blocks["test_drain"].replace('"failed", 3', '"failed", 2')
    only = {name: blocks[name] for name in ("shop", "conftest", "test_drain")}
    outcomes = project("", **only).parseoutcomes()
    assert outcomes["failed"] == 1


def test_the_guide_names_every_helper() -> None:
    from pgqueue import testing

    guide = (CHECKOUT / "docs/testing.md").read_text()
    assert not [name for name in testing.__all__ if name[0].islower() and f"`{name}`" not in guide]


@pytest.mark.parametrize("fixture", ["pgqueue_database_url", "pgqueue_connection", "pgqueue_inline", "pgqueue_app"])
def test_the_guide_names_every_fixture(fixture: str) -> None:
    assert fixture in (CHECKOUT / "docs/testing.md").read_text()
