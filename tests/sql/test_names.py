"""Names of queues and keys of limits: which are valid."""

import re

import pytest

from .conftest import Sql

NAMES = ["q" * 100, "q" * 101, "", "two words", "q\n", "\nq", "é", "Az09_.-", "a:b", "a:", ":a", "a:é\n" + "x" * 196,
         "a:" + "x" * 199, "q" * 100 + ":x", "q" * 101 + ":x"]  # fmt: skip
VALID = {"queue": r"[A-Za-z0-9_.:-]{1,100}", "fair": r"(?=.{0,200}\Z)[A-Za-z0-9_.-]{1,100}(:.+)?"}


@pytest.mark.parametrize("field", VALID)
@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[-12:]))
def test_a_name_is_valid_up_to_its_length_in_its_letters(rolled_back_sql: Sql, field: str, name: str) -> None:
    query = f"select enqueue('send', {field} => %s)"

    if re.fullmatch(VALID[field], name, re.DOTALL):
        rolled_back_sql.value(query, name)
    else:
        assert rolled_back_sql.refusal(query, name).sqlstate == "PQ001"
