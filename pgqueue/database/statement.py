"""Calls become statements of one install: `{schema}` is filled in once per statement, quoted."""

from typing import LiteralString

from psycopg import sql


class Statements:
    """The statements of one schema, composed at first use."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self._composed: dict[str, bytes] = {}

    def __getitem__(self, statement: LiteralString) -> bytes:
        composed = self._composed.get(statement)
        if composed is None:
            composed = sql.SQL(statement).format(schema=sql.Identifier(self.schema.replace("%", "%%"))).as_bytes(None)
            self._composed[statement] = composed
        return composed
