"""Statements: which are kept, composed, for the next call."""

from typing import Any

from pgqueue.database.calls.enqueue import EnqueueOptions, enqueue
from pgqueue.database.statement import KEPT, Statements


def test_a_statement_is_composed_once() -> None:
    statements, call = Statements("pgqueue"), enqueue("send", "{}", EnqueueOptions(), True)
    assert statements.of(call) is statements.of(call)


def test_statements_of_ever_other_options_do_not_pile_up() -> None:
    """Callers of the REST API choose the options, so there are as many statements as choices."""
    statements = Statements("one")
    first = statements.of(enqueue("send", "{}", EnqueueOptions(retries=1), True))
    of_others = [_with(names) for names in _choices()]
    others = {statements.of(enqueue("send", "{}", options, notify)) for options in of_others for notify in (False, True)}

    assert len(others) > KEPT
    assert statements.of(enqueue("send", "{}", EnqueueOptions(retries=1), True)) is not first


def _choices() -> list[list[str]]:
    names = EnqueueOptions._fields
    return [[name for bit, name in enumerate(names) if chosen >> bit & 1] for chosen in range(2 ** len(names))]


def _with(names: list[str]) -> EnqueueOptions:
    given: Any = dict.fromkeys(names, "x")
    return EnqueueOptions(**given)
