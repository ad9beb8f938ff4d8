"""A rule taken out of the SQL, and what must break without it."""

import inspect
import re
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import psycopg
import pytest

from ..conftest import Sql

DROP = r"[^;]*;"
SKIP = r"\s+skip locked"


class Mutant(NamedTuple):
    """A rule taken out of one function or more, and the guarantee or test that breaks then."""

    what: str
    function: str  # several names: with commas between them; of an overloaded one: the begin of its signature
    rules: str | list[tuple[str, str]]  # regular expressions; a list has what stands in their place, too
    instead: str
    broken: Callable[..., None]
    given: tuple[Any, ...] = ()
    sqlstate: str | None = None  # of the database's error, if the guarantee breaks with one and not with an assertion
    tries: int = 1  # more where the guarantee breaks by chance; single connections only

    def needs_others(self) -> bool:
        """Whether the guarantee opens further connections, or must commit."""
        return bool({"open_sql", "another_sql"} & set(inspect.signature(self.broken).parameters))

    def load(self, sql: Sql) -> None:
        """Replace the functions, and nothing else."""
        for function in [self.function] if "(" in self.function else self.function.split(","):
            sql.connection.execute(self._mutated(function, _definition(sql, function)))

    def _mutated(self, function: str, text: str) -> str:
        for rule, instead in [(self.rules, self.instead)] if isinstance(self.rules, str) else self.rules:
            mutated = re.sub(rule, instead, text, flags=re.S)
            assert mutated != text, f"{function} has no such rule any more: {rule}"
            text = mutated
        return text

    def assert_killed(self, sql: Sql, *others: Callable[[], Sql]) -> None:
        """The guarantee breaks: by an assertion, or by the error that is expected.

        Any other exception is a mistake: a TypeError says that a test is called with the wrong arguments.
        """
        with pytest.raises((AssertionError, pytest.fail.Exception, psycopg.Error)) as caught:
            self._check(sql, *others)
        if isinstance(caught.value, psycopg.Error) and caught.value.sqlstate != self.sqlstate:
            raise caught.value
        _assert_valid_sql(caught.value)

    def _check(self, sql: Sql, *others: Callable[[], Sql]) -> None:
        for _ in range(self.tries):
            with sql.connection.transaction(force_rollback=True) if self.tries > 1 else nullcontext():
                self.broken(sql, *others, *self.given)
                sql.nothing_drifts()


def _definition(sql: Sql, function: str) -> str:
    begin = function if "(" in function else f"{function}("
    texts = sql.rows(
        """select pg_get_functiondef(oid) as text from pg_proc
            where pronamespace = 'pgqueue'::regnamespace and starts_with(oid::regprocedure::text, %s)""",
        begin,
    )
    assert len(texts) == 1, f"{len(texts)} functions begin with {begin}"
    return str(texts[0]["text"])


def _assert_valid_sql(error: BaseException | None) -> None:
    """An assertion may stand for an error of the database: errors of syntax and of names (class 42) prove nothing."""
    while error:
        if isinstance(error, psycopg.Error):
            assert (error.sqlstate or "")[:2] != "42", f"the mutant is no valid SQL: {error}"
        error = error.__cause__
