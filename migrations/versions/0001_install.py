"""Everything: until the first release this applies sql/ as it stands."""

from collections.abc import Callable

from pgqueue.migrate.files import install_files

revision = "0001"
down_revision = None


def upgrade(execute: Callable[[str], None]) -> None:
    for file in install_files():
        execute(file.read_text(encoding="utf-8"))
    execute("select note_objects();")  # each later migration ends with it too
