"""Installing and upgrading: by itself, inside a migration of the application, or as SQL. See docs/alembic.md.

Each time it is one transaction in which the schema is locked, so that concurrent first starts are safe.
"""

from .autogenerate import include_name, include_object
from .installing import migrate, upgrade
from .offline import write_sql

__all__ = ["include_name", "include_object", "migrate", "upgrade", "write_sql"]
