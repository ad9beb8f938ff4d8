"""Rules for the texts of all functions, for what no plan of a test server shows."""

import re
from pathlib import Path

from .conftest import Sql
from .limit_steps import step_clock

SQL = Path(__file__).parents[2] / "sql"


def test_no_subselect_of_in_locks_rows() -> None:
    """PostgreSQL may run it again for each row of the outer table, and each time SKIP LOCKED gives other rows."""
    found = [
        f"{file.name}: {match[0]}"
        for file in SQL.glob("functions/*/*.sql")
        for match in re.finditer(r"\bin \(\s*select[^;]*?\bskip locked", file.read_text())
    ]
    assert found == []


def test_lines_are_at_most_130_characters() -> None:
    long = [
        f"{file.name}:{number}"
        for file in SQL.rglob("*.sql")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if len(line) > 130
    ]
    assert long == []


def test_no_plain_string_holds_a_backslash() -> None:
    """A function is read when it runs: with standard_conforming_strings off of a role, \'\\\' would not end where it seems to."""
    tokens = re.compile(r"--.*|\be'(?:[^'\\]|\\.|'')*'|'(?P<plain>[^']*)'", re.IGNORECASE)
    found = [
        f"{file.name}: {match[0]}"
        for file in SQL.glob("functions/*/*.sql")
        for match in tokens.finditer(file.read_text())
        if "\\" in (match["plain"] or "")
    ]
    assert found == []


def test_a_call_moves_no_more_than_it_was_asked_to_by_a_nested_loop_too(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    ids = [sql.enqueue() for _ in range(20)]
    step_clock(sql, -3600)
    for other in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize", "indexscan", "bitmapscan"):
        sql.rows(f"set local enable_{other} = off")

    sql.value("select follow_clock(2)")

    assert sql.value("select count(*) from job where id = any (%s) and run_at > clock_timestamp()", ids) == 18


def test_a_function_that_switches_a_kind_of_plan_off_is_not_compiled(rolled_back_sql: Sql) -> None:
    """Before PostgreSQL 18 a plan that is switched off costs 10^10, above jit_above_cost: a sweep took 0.5 s, not 2 ms."""
    assert (
        rolled_back_sql.rows(
            """select proname from pg_proc
                where pronamespace = 'pgqueue'::regnamespace and array_to_string(proconfig, ' ') ~ 'enable_'
                  and not 'jit=off' = any (proconfig)"""
        )
        == []
    )


def test_what_runs_in_any_session_has_a_search_path_of_its_own(rolled_back_sql: Sql) -> None:
    """Views, triggers, defaults, constraints and indexes call functions in sessions with any search_path, and as any user."""
    query = """select distinct p.oid::regprocedure::text
                 from pg_depend d join pg_proc p on d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
                where p.pronamespace = quote_ident(current_schema())::regnamespace
                  and (p.proconfig::text ~ 'search_path') is not true"""
    assert rolled_back_sql.rows(query) == []
    rolled_back_sql.rows("create function bare() returns int language sql as 'select 1'")
    rolled_back_sql.rows("create view calls_it as select bare()")
    assert rolled_back_sql.rows(query) == [{"oid": "bare()"}]
