"""Calls become statements of one install: `{schema}` is filled in once per statement, quoted."""

from typing import TYPE_CHECKING, Any, LiteralString

from psycopg import sql

from .qualify import qualified

if TYPE_CHECKING:
    from .call import Call


class Statements:
    """The statements of one schema, composed at first use."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self._name = sql.Identifier(schema.replace("%", "%%"))
        self._composed: dict[str, bytes] = {}

    def __getitem__(self, statement: LiteralString) -> bytes:
        composed = self._composed.get(statement)
        if composed is None:
            composed = self._composed[statement] = _qualified(statement).format(schema=self._name).as_bytes(None)
        return composed

    def of(self, call: "Call[Any]") -> bytes:
        """The statement of a call. A statement with a query of the caller is not kept, because there may be any number."""
        if call.query is None:
            return self[call.statement]
        query = sql.SQL(call.query)
        return _qualified(call.statement).format(schema=self._name, query=query).as_bytes(None)


def _qualified(statement: LiteralString) -> sql.SQL:
    return sql.SQL(qualified(statement))
