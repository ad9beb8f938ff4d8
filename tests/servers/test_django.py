"""Django as projects have it: requests that are transactions, on_commit, connection pools, and tests by pytest-django."""

import os
import subprocess
import sys
from pathlib import Path

import django
import psycopg
import pytest

ROOT = Path(__file__).parents[2]
SUITE = Path(__file__).parent / "django_site" / "suite.py"
TESTS = 9


@pytest.mark.parametrize("pool", ["", "1"], ids=["plain", "pool and server-side binding"])
def test_a_site_and_its_tests_by_pytest_django_hold(empty_database_url: str, tmp_path: Path, pool: str) -> None:
    """Where Django has them: connections from a pool of psycopg, which bind parameters on the server."""
    if pool and django.VERSION < (5, 1):
        pytest.skip("this Django has no pool")
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\npythonpath = {ROOT}\nDJANGO_SETTINGS_MODULE = tests.servers.django_site.settings\nfilterwarnings = error\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-c",
        "pytest.ini",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "--rootdir",
        ".",
        str(SUITE),
    ]
    environment = {**os.environ, "PGQUEUE_DATABASE_URL": empty_database_url, "SITE_POOL": pool, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{TESTS} passed" in done.stdout
    with psycopg.connect(empty_database_url) as connection:
        left = connection.execute("select count(*) from pg_database where datname = current_database() || '_django'").fetchone()
    assert left == (0,), "the database of the tests could not be dropped"
