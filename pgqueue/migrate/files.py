"""The files in `sql` and `migrations`."""

from pathlib import Path


def resource(name: str) -> Path:
    """The directory `sql` or `migrations`: inside the package if it is installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def install_files() -> list[Path]:
    """The SQL files in the order in which they are applied."""
    sql = resource("sql")
    tables, functions = sorted((sql / "tables").glob("*.sql")), sorted((sql / "functions").glob("*/*.sql"))
    return [sql / "types.sql", *tables, *functions, sql / "triggers.sql", sql / "views.sql", sql / "privileges.sql"]


def statement(name: str) -> str:
    """The one statement of a file of `sql`."""
    return (resource("sql") / name).read_text(encoding="utf-8").rstrip().removesuffix(";")
