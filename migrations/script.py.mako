"""${message}"""

from collections.abc import Callable

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade(execute: Callable[[str], None]) -> None:
    ${upgrades if upgrades else "pass"}
