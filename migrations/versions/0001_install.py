"""Everything: until the first release this applies sql/ as it stands."""

from alembic import op

from pgqueue.migrate import execute, install_files

revision = "0001"
down_revision = None


def upgrade() -> None:
    for file in install_files():
        execute(op.get_context(), file.read_text(encoding="utf-8"))
    execute(op.get_context(), "select note_objects();")  # each later migration ends with it too
