"""Statements as they are written become statements that mean PostgreSQL's operators, functions and types, and no others.

The search_path of an application may have others with these names, or with types that fit better: `=(job_state, job_state)`.
So `a = now()` is sent as `a operator(pg_catalog.=) pg_catalog.now()`. What is named with a schema is left as it is;
so are relations, and the caller's query. A statement that cannot be made safe in this way is refused: see `Refused`.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import LiteralString

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<value> '(?:[^']|'')*' | "[^"]+" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ | %s | %\(\w+\)s | \{\w+\} | \d+(?:\.\d+)? )
      | (?P<word> [a-z_]\w* )
      | (?P<mark> :: | => | %% | [(),.\[\]:] )
      | (?P<operator> ->> | -> | <= | >= | <> | \|\| | @> | <@ | [-+*/<>=] )""",
    re.VERBOSE | re.DOTALL,
)
# Words before a parenthesis that are no names of functions, or of functions that the grammar itself takes from pg_catalog.
_SYNTAX = frozenset((
    "all", "and", "any", "array", "as", "by", "case", "coalesce", "else", "exists", "extract", "filter", "from", "greatest",
    "group", "interval", "lateral", "least", "limit", "not", "on", "or", "order", "over", "partition", "returning", "row",
    "select", "set", "then", "union", "values", "when", "where",
))  # fmt: skip
_ENDS_OPERANDS = _SYNTAX - {"array", "row"} | {"asc", "desc", "distinct", "end", "is", "null"}
_GRAMMAR_TYPES = frozenset(("bigint", "boolean", "int", "integer", "interval", "numeric", "real", "smallint", "timestamp"))
# Words with an operator inside that has no name in the text, and so is looked up by the search_path.
_NAMELESS = frozenset(("between", "except", "ilike", "in", "intersect", "like", "natural", "nullif", "similar", "using"))
_STRENGTH = {"*": 3, "/": 3, "+": 2, "-": 2, **dict.fromkeys(("=", "<", ">", "<=", ">=", "<>"), 0)}  # others: 1


class Refused(ValueError):
    """A statement of ours cannot be sent as it is written.

    Either it has a construct that calls an operator without naming it, such as IN or NULLIF: write `= any (…)`, or `or`.
    Or an operator binds tighter than the one before: once named, all bind alike, from the left. Write parentheses.
    """


@lru_cache(maxsize=1024)
def qualified(statement: LiteralString) -> LiteralString:
    """The statement with the names of operators, functions and types qualified by pg_catalog.

    Raises:
        Refused: it cannot be made safe; no statement of a release is.
    """
    return "".join(_Writer(statement).parts())


def _kind(found: re.Match[str]) -> str:
    return next(kind for kind in ("value", "word", "operator", "mark") if found[kind])


class _Writer:
    """Goes through one statement."""

    def __init__(self, statement: str) -> None:
        self._statement = statement
        self._before = ""  # the token before, without space
        self._gap = ""  # what separates the next token from the one before
        self._is_operand = False  # whether the token before ends an operand
        self._strengths: list[int | None] = [None]  # of the operator before, by depth of parentheses
        self._assigns: list[bool | None] = [None]  # in the list of SET: whether a `=` is to come that assigns; None elsewhere

    def parts(self) -> Iterator[str]:
        position = 0
        while position < len(self._statement):
            found = _TOKEN.match(self._statement, position)
            if found is None:
                raise self._refused(f"{self._statement[position]!r} is not read")
            position, token = found.end(), found[0]
            if found["space"]:
                self._gap = ""
                yield token
                continue
            yield self._written(token, _kind(found), followed_by=self._statement[position : position + 1])
            self._before, self._gap = token, " "

    def _written(self, token: str, kind: str, followed_by: str) -> str:
        if kind == "word":
            return self._word(token, followed_by)
        if kind == "operator":
            return self._operator(token, followed_by)
        if kind == "value":
            self._is_operand = True
            return token
        return self._mark(token)

    def _word(self, word: str, followed_by: str) -> str:
        is_after_is = self._before in ("is", "not") and word == "distinct"
        if word in _NAMELESS or is_after_is or (self._before == "case" and word != "when"):
            raise self._refused(f"{word!r} calls an operator without its name")
        is_column = word == "by" and self._before not in ("group", "order", "partition")
        self._is_operand = is_column or word not in _ENDS_OPERANDS
        if self._before == "::":
            return word if word in _GRAMMAR_TYPES else f"pg_catalog.{word}"
        if self._before == ".":
            return word
        if not self._is_operand:
            self._strengths[-1] = None
            self._assigns[-1] = True if word == "set" else None if word in ("from", "where", "returning") else self._assigns[-1]
        is_call = followed_by == "(" and word not in _SYNTAX and self._before != "as"
        return f"pg_catalog.{word}" if is_call else word

    def _operator(self, operator: str, followed_by: str) -> str:
        was_operand, self._is_operand = self._is_operand, False
        if operator == "=" and self._assigns[-1]:
            self._assigns[-1] = False
            return operator
        if not was_operand:
            if operator == "*" or (operator == "-" and followed_by.isdigit()):  # all columns; a number, not a call
                return operator
            raise self._refused(f"{operator!r} has no left side")
        strength, before = _STRENGTH.get(operator, 1), self._strengths[-1]
        if before is not None and before < strength:
            raise self._refused(f"{operator!r} binds tighter than the operator before")
        self._strengths[-1] = strength
        return f"{self._gap}operator(pg_catalog.{operator}){'' if followed_by.isspace() else ' '}"

    def _mark(self, mark: str) -> str:
        if mark in "([":
            self._strengths.append(None)
            self._assigns.append(None)
        elif mark in ")]":
            self._strengths.pop()
            self._assigns.pop()
        elif mark == ",":
            self._strengths[-1] = None
            self._assigns[-1] = None if self._assigns[-1] is None else True
        self._is_operand = mark in ")]"
        return mark

    def _refused(self, why: str) -> Refused:
        return Refused(f"{why}, after {self._before!r}, in: {self._statement}")
