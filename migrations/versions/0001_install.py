"""Everything: until the first release this applies sql/ as it stands."""

from alembic import op

from pgqueue.migrate import install_files

revision = "0001"
down_revision = None


def upgrade() -> None:
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    for file in install_files():
        driver.execute(file.read_text(encoding="utf-8"))
