"""Calls become statements of one install: `{schema}` is filled in once per statement, quoted."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg import sql

from .qualify import qualified

if TYPE_CHECKING:
    from .call import Call


KEPT = 1024  # composed statements; more than there are calls. Callers choose the options of an enqueue, so the text of one varies


class Statements:
    """The statements of one schema, composed at first use."""

    def __init__(self, schema: str) -> None:
        self.schema = schema

    def __getitem__(self, statement: LiteralString) -> bytes:
        return _composed(statement, self.schema)

    def of(self, call: "Call[Any]") -> bytes:
        """The statement of a call. A statement with a query of the caller is not kept, because there may be any number."""
        if call.query is None:
            return _composed(call.statement, self.schema)
        return _compose(call.statement, self.schema, query=sql.SQL(call.query))


def _compose(statement: LiteralString, schema: str, **parts: sql.Composable) -> bytes:
    name = sql.Identifier(schema.replace("%", "%%"))
    return sql.SQL(qualified(statement)).format(schema=name, **parts).as_bytes(None)


@lru_cache(maxsize=KEPT)
def _composed(statement: LiteralString, schema: str) -> bytes:
    return _compose(statement, schema)
