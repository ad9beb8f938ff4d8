"""Migrating with few rights: what is enough, and each refusal in one line with the statement that mends it."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgqueue.migrate.files import statement
from tests.cli.conftest import Ran, run_here


class Deployer:
    """A login that may do nothing but connect, and a database without pgqueue."""

    def __init__(self, url: str) -> None:
        self.name = f"deployer_{uuid.uuid4().hex[:8]}"
        self.database = str(conninfo_to_dict(url)["dbname"])
        self.admin = psycopg.connect(url, autocommit=True)
        self.url = make_conninfo(url, user=self.name, password=self.name)
        self.admin.execute(f"create role {self.name} login password '{self.name}'".encode())

    def let(self, statements: str) -> None:
        """Somebody who may do it runs them; DEPLOYER and DATABASE stand for the names."""
        self.admin.execute(self._named(statements).encode())

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.admin.execute(query.encode()).fetchall()

    def gone(self) -> None:
        with self.admin:
            self.let("drop owned by DEPLOYER cascade; drop role DEPLOYER")

    def _named(self, text: str) -> str:
        return text.replace("DEPLOYER", self.name).replace("DATABASE", self.database)


@pytest.fixture
def deployer(empty_database_url: str) -> Iterator[Deployer]:
    deployer = Deployer(empty_database_url)
    yield deployer
    deployer.gone()


def migrated(capsys: pytest.CaptureFixture[str], url: str, *more: str) -> Ran:
    return run_here(capsys, "migrate", "--database-url", url, *more)


def refused(capsys: pytest.CaptureFixture[str], url: str, *more: str, code: int = 2) -> str:
    """The one line of a refusal."""
    ran = migrated(capsys, url, *more)
    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1), ran.err
    return ran.err.strip()


def test_the_owner_of_a_schema_that_somebody_else_made_needs_no_right_on_the_database(
    deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    deployer.let("create schema pgqueue authorization DEPLOYER")
    assert migrated(capsys, deployer.url)[:2] == (0, "schema pgqueue: migrated\n")
    assert migrated(capsys, deployer.url)[:2] == (0, "schema pgqueue: up to date\n")


def test_an_install_that_is_up_to_date_needs_no_right_to_create(deployer: Deployer, capsys: pytest.CaptureFixture[str]) -> None:
    deployer.let("grant create on database DATABASE to DEPLOYER")
    assert migrated(capsys, deployer.url).code == 0
    deployer.let("revoke create on database DATABASE from DEPLOYER; revoke create on schema pgqueue from DEPLOYER")
    assert migrated(capsys, deployer.url)[:2] == (0, "schema pgqueue: up to date\n")


@pytest.mark.parametrize("which", [0, 1])
def test_without_create_on_the_database_either_of_the_statements_said_mends_it(
    deployer: Deployer, capsys: pytest.CaptureFixture[str], which: int
) -> None:
    line = refused(capsys, deployer.url)
    assert f"{deployer.name} may not create the schema pgqueue" in line
    remedies = re.findall(r"(?:run: |may create schemas: )(.*?)(?:;|$)", line)
    assert len(remedies) == 2
    deployer.let(remedies[which])
    assert migrated(capsys, deployer.url)[:2] == (0, "schema pgqueue: migrated\n")


def test_an_owner_who_may_not_create_in_the_schema_is_told_the_grant(
    deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    deployer.let("create schema pgqueue authorization DEPLOYER; revoke create on schema pgqueue from DEPLOYER")
    line = refused(capsys, deployer.url)
    deployer.let(line.rpartition("run as ")[2].partition(": ")[2])
    assert migrated(capsys, deployer.url).code == 0


def test_a_schema_of_another_owner_is_refused_with_the_remedy(deployer: Deployer, capsys: pytest.CaptureFixture[str]) -> None:
    deployer.let("create schema pgqueue; grant all on schema pgqueue to DEPLOYER")
    line = refused(capsys, deployer.url)
    assert "schema: pgqueue belongs to the role" in line
    deployer.let(line.rpartition("it holds: ")[2])
    assert migrated(capsys, deployer.url).code == 0


def test_without_createrole_the_roles_are_named_and_the_statement_that_mends_it(
    deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = f"s{uuid.uuid4().hex[:8]}"
    deployer.let(f"create schema {schema} authorization DEPLOYER")
    line = refused(capsys, deployer.url, "--roles", "--schema", schema)
    assert re.search(
        rf"roles: {deployer.name} may not create the role {schema}_\w+; .* run: create role {schema}_\w+ nologin", line
    )
    assert line.endswith(f"or: alter role {deployer.name} createrole")


def test_who_may_not_connect_is_told_the_grant(deployer: Deployer, capsys: pytest.CaptureFixture[str]) -> None:
    deployer.let("revoke connect on database DATABASE from public")
    line = refused(capsys, deployer.url, code=1)
    assert f'permission denied for database "{deployer.database}"' in line
    assert "`grant connect on database … to …`" in line
    assert deployer.name not in line, "no password"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"user": "nobody_at_all"}, "nobody_at_all"),
        ({"dbname": "no_such_base"}, 'database "no_such_base" does not exist'),
    ],
)
def test_a_login_that_the_server_refuses_is_one_line(
    deployer: Deployer, capsys: pytest.CaptureFixture[str], change: dict[str, str], said: str
) -> None:
    assert said in refused(capsys, make_conninfo(deployer.url, **change), code=1)


def test_a_role_that_may_not_log_in_is_told_so(deployer: Deployer, capsys: pytest.CaptureFixture[str]) -> None:
    deployer.let("alter role DEPLOYER nologin")
    line = refused(capsys, deployer.url, code=1)
    assert f'role "{deployer.name}" is not permitted to log in' in line
    assert "alter role … login" in line


def test_a_read_only_role_migrates_and_a_server_that_is_too_old_is_refused(
    deployer: Deployer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = statement("check_session.sql").replace("150000", "990000")
    deployer.let("create schema pgqueue authorization DEPLOYER; alter role DEPLOYER set default_transaction_read_only = on")
    with monkeypatch.context() as patched:
        patched.setattr(
            "pgqueue.migrate.statements.statement", lambda name: old if name == "check_session.sql" else statement(name)
        )
        assert "server: PostgreSQL" in refused(capsys, deployer.url)
    assert migrated(capsys, deployer.url).code == 0
