"""H7: doctor needs the rights of a viewer only, and says which rights are missing."""

import uuid
from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from pgqueue import PgQueue
from pgqueue.doctor.vacuum import vacuum
from pgqueue.errors import ConfigurationError
from pgqueue.migrate import migrate

from .conftest import Install

UNCHECKED = {"no-rights", "check-not-run", "no-connection"}


@pytest.mark.parametrize(("name", "may"), [("viewer", True), ("operator", True), ("worker", True), ("producer", False)])
def test_who_may_examine(app_of: Callable[[str], PgQueue], name: str, may: bool) -> None:
    found = {finding.name for finding in app_of(name).doctor()} & UNCHECKED
    assert found == (set() if may else {"no-rights"})


def test_a_stranger_is_told_which_role_is_missing(install: Install, app_of: Callable[[str], PgQueue]) -> None:
    (finding,) = [finding for finding in app_of("stranger").doctor() if finding.name == "no-rights"]
    install.on_server(finding.remedy.partition(" (")[0])
    try:
        assert not {finding.name for finding in app_of("stranger").doctor()} & UNCHECKED
    finally:
        install.on_server("revoke {} from {}", install.role("viewer"), install.login("stranger"))


def test_only_the_owner_vacuums(app_of: Callable[[str], PgQueue]) -> None:
    with pytest.raises(ConfigurationError, match="only the owner"):
        vacuum(app_of("operator"))


def test_an_owner_that_does_not_see_other_sessions_is_told(install: Install) -> None:
    owner, schema = f"owner_{uuid.uuid4().hex[:8]}", f"s{uuid.uuid4().hex[:8]}"
    install.on_server(f"create role {{}} login password '{install.password}'", owner)
    try:
        with psycopg.connect(install.url, autocommit=True) as superuser:
            superuser.execute(f"grant create on database {install.schema} to {owner}".encode())
            url = make_conninfo(install.url, user=owner, password=install.password)
            migrate(url, schema)
            app = PgQueue(url, schema=schema)
            (finding,) = [finding for finding in app.doctor() if finding.name == "sessions-hidden"]
            install.on_server(finding.remedy)
            assert "sessions-hidden" not in [finding.name for finding in app.doctor()]
            app.close()
    finally:
        with psycopg.connect(install.url, autocommit=True) as superuser:
            superuser.execute(f"drop owned by {owner} cascade".encode())
        install.on_server("drop role {}", owner)
