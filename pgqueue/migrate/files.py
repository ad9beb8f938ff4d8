"""The files in `sql` and `migrations`."""

from pathlib import Path

from ..database.files import resource


def install_files() -> list[Path]:
    """The SQL files in the order in which they are applied."""
    sql = resource("sql")
    tables, functions = sorted((sql / "tables").glob("*.sql")), sorted((sql / "functions").glob("*/*.sql"))
    return [sql / "types.sql", *tables, *functions, sql / "triggers.sql", sql / "views.sql", sql / "privileges.sql"]


def statement(name: str) -> str:
    """The one statement of a file of `sql`."""
    return (resource("sql") / name).read_text(encoding="utf-8").rstrip().removesuffix(";")
