"""What Alembic does in this process just now. Its globals can be asked only by trying."""

from alembic import context, op
from alembic.runtime.migration import MigrationContext


def in_environment() -> MigrationContext | None:
    """The context that an env.py has configured, if one is running."""
    try:
        return context.get_context()
    except Exception:  # NameError, AttributeError, or a bare Exception: not begun, over, not configured yet
        return None


def in_revision() -> MigrationContext | None:
    """The context of the revision that is running, if there is one. A revision that has failed leaves its own behind in `op`."""
    running = in_environment()
    try:
        return running if running is not None and op.get_context() is running else None
    except (NameError, AttributeError):
        return None
