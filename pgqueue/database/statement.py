"""Calls become statements of one install: `{schema}` is filled in once per statement, quoted."""

from typing import TYPE_CHECKING, Any, LiteralString

from psycopg import sql

if TYPE_CHECKING:
    from .calls import Call


class Statements:
    """The statements of one schema, composed at first use."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self._name = sql.Identifier(schema.replace("%", "%%"))
        self._composed: dict[str, bytes] = {}

    def __getitem__(self, statement: LiteralString) -> bytes:
        composed = self._composed.get(statement)
        if composed is None:
            composed = self._composed[statement] = sql.SQL(statement).format(schema=self._name).as_bytes(None)
        return composed

    def of(self, call: "Call[Any]") -> bytes:
        """The statement of a call; one with a query of the caller's is not kept, there may be any number of those."""
        if call.query is None:
            return self[call.statement]
        query = sql.SQL(call.query)
        return sql.SQL(call.statement).format(schema=self._name, query=query).as_bytes(None)
