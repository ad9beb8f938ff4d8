"""The token of a run is its fence: whoever knows it can end the job. Who reads sees none."""

import json
import uuid

import pytest

from .conftest import Install

HIDDEN = {("job", "claim_token"), ("permit", "claim_token"), ("forced_cancel", "token"), ("job_log", "run")}
READS = (
    "list_jobs('{}', null, null, 100)", "changed_jobs('{}', since => now() - interval '1 hour')", "explain({job})",
    "steps({job})", "signals({job})", "watch({job})", "result({job})", "samples(10)", "metrics()",
    "matching_ids('{}', 0, 1000000, 100)", "ended(array[{job}])",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(install: Install) -> dict[str, str]:
    """A job that runs, with all that is stored under its token."""
    worker, token = str(uuid.uuid4()), str(uuid.uuid4())
    install.rows("select set_limit('tokens', 100, '60 s', max_running => 10)")
    install.rows("select register_worker(%s, 'w', 'h', 1, '0', '{tokens}', 1, '1 h')", worker)
    ((job,),) = install.rows("select enqueue('noop', queue => 'tokens', limits => '{tokens}')")
    install.rows("select id from claim(%s, %s, '{tokens}', 1)", worker, token)
    install.rows("select save_step(%s, %s, 'step', '1')", job, token)
    install.rows("select progress(%s, %s, 1)", job, token)
    line = {"n": 1, "ago": 0, "level": "info", "message": "hello"}
    runs = [{"id": job, "token": token, "attempt": 1, "lines": [line]}]
    install.rows("select add_log(%s, %s::jsonb)", worker, json.dumps(runs))
    install.rows("select cancel(%s, force_after => '1 hour')", job)
    return {"job": str(job), "token": token}


def columns(install: Install, login: str) -> list[tuple[str, str]]:
    """The columns that a login may read."""
    return [
        (relation, column)
        for relation, column in install.rows(
            "select relname, attname from pg_attribute join pg_class c on c.oid = attrelid "
            "where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v') and attnum > 0 "
            "and not attisdropped and has_column_privilege(%s, attrelid, attnum, 'select')",
            login,
        )
    ]


def test_the_owner_finds_the_token_in_these_columns_and_in_no_other(install: Install, run: dict[str, str]) -> None:
    by_relation: dict[str, list[str]] = {}
    with install.as_login(None) as owner:
        for relation, column in columns(install, owner.info.user):
            by_relation.setdefault(relation, []).append(column)
        found = set()
        for relation, names in by_relation.items():
            holds = ", ".join(f"bool_or({name}::text like %(token)s)" for name in names)
            row = owner.execute(f"select {holds} from {relation}", {"token": f"%{run['token']}%"}).fetchone()
            found |= {(relation, name) for name, has in zip(names, row or (), strict=True) if has}
    assert found == HIDDEN


@pytest.mark.parametrize("name", ["viewer", "operator", "producer", "worker", "admin"])
def test_no_role_reads_the_column(install: Install, run: dict[str, str], name: str) -> None:
    readable = set(columns(install, install.login(name)))
    assert not readable & HIDDEN
    assert ("job", "id") not in readable or ("job", "args") in readable


@pytest.mark.parametrize("name", ["viewer", "operator"])
def test_no_function_for_readers_returns_it(install: Install, run: dict[str, str], name: str) -> None:
    with install.as_login(name) as connection:
        for call in READS:
            text = call.replace("{job}", run["job"])
            rows = connection.execute(f"select f::text from {install.schema}.{text} f").fetchall()
            assert run["token"] not in str(rows), call


def test_a_column_that_holds_tokens_is_hidden_when_it_is_new(install: Install) -> None:
    """Columns called like a token are tokens until roles.sql says otherwise."""
    named = install.rows(
        "select relname, attname from pg_attribute join pg_class c on c.oid = attrelid "
        "where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p') and not relispartition "
        "and attname like '%%token' and attname <> 'tokens' and attnum > 0"
    )
    assert set(named) == {place for place in HIDDEN if place[1].endswith("token")}
