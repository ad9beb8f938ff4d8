"""How the install is reached: the server, the role, the version of the schema, and the clock of this machine."""

import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from ..check import check_owner
from ..database import Call
from ..database.calls import doctor as calls
from ..database.calls import install as install_calls
from ..database.calls.doctor import Finding, Situation
from ..errors import ConfigurationError
from ..version import __version__
from .refused import quoted

OLDEST_SERVER = 150000
MOST_AHEAD = 2.0  # seconds by which two clocks may differ


class SituationCheck:
    """Looks at what does not need the functions of pgqueue.

    Args:
        schema: the schema of the install.
        run: runs a call.

    Attributes:
        may_diagnose: whether the other checks can be made; known after the look.
    """

    def __init__(self, schema: str, run: Callable[[Call[Any]], Any]) -> None:
        self._schema, self._run = schema, run
        self.may_diagnose = False

    def look(self) -> list[Finding]:
        """Make the check."""
        before = datetime.now(UTC)
        there: Situation = self._run(calls.situation(self._schema))
        after = datetime.now(UTC)
        foreign = self._of_owner(there)
        self.may_diagnose = bool(there.may_use and there.may_diagnose and not foreign)
        of_schema = foreign or self._of_schema(there)
        return [*self._of_server(there), *of_schema, *_of_clock(there.clock, before, after)]

    def _of_owner(self, there: Situation) -> list[Finding]:
        try:
            check_owner(there.foreign_owner, self._schema)
        except ConfigurationError as error:
            so, do = "what else is wrong is not known: nothing of the schema was called", "give another URL, as the message says"
            return [Finding("foreign-schema", "error", self._schema, str(error), {"owner": there.foreign_owner}, so, do)]
        return []

    def _of_server(self, there: Situation) -> Iterator[Finding]:
        version = f"{there.version // 10000}.{there.version % 10000}"
        if there.version < OLDEST_SERVER:
            yield Finding(
                "server-too-old", "error", "server", f"the server is PostgreSQL {version}", {"version": there.version},
                "pgqueue cannot be installed, or its functions fail", "upgrade it to PostgreSQL 15 or newer",
            )  # fmt: skip
        if there.is_standby:
            yield Finding(
                "server-is-standby", "error", "server", "the server is a standby", {}, "nothing can be enqueued or run",
                "give PGQUEUE_DATABASE_URL the primary: add target_session_attrs=read-write",
            )  # fmt: skip
        elif there.is_read_only:
            yield Finding(
                "read-only", "warning", there.role, "transactions are read-only by default", {},
                "pgqueue sets its own to read-write; those of the application that enqueue fail",
                f"alter role {quoted(there.role)} reset default_transaction_read_only; "
                f"alter database {quoted(there.database)} reset default_transaction_read_only",
            )  # fmt: skip

    def _of_schema(self, there: Situation) -> Iterator[Finding]:
        schema = self._schema
        if not there.is_installed:
            what = "has no pgqueue" if there.may_use is not None else "does not exist"
            yield Finding(
                "not-migrated", "error", schema, f"the schema {schema} {what}", {"schema": schema}, "nothing works",
                f"pgqueue migrate --schema {shlex.quote(schema)}; or give the right one: PGQUEUE_SCHEMA",
            )  # fmt: skip
        elif not (there.may_use and there.may_diagnose):
            if there.may_diagnose is None and there.may_use:
                yield self._older("a version without doctor")
                return
            yield Finding(
                "no-rights", "error", there.role, f"the role {there.role} may not examine the schema {schema}",
                {"role": there.role, "schema": schema}, "what else is wrong is not known",
                f"grant {quoted(schema + '_viewer')} to {quoted(there.role)} -- pgqueue migrate --roles makes the roles",
            )  # fmt: skip
        elif (installed := self._run(install_calls.installed_version())) != __version__:
            yield self._older(installed)

    def _older(self, installed: str) -> Finding:
        return Finding(
            "other-version", "error", self._schema, f"the schema {self._schema} has pgqueue {installed}, this is {__version__}",
            {"installed": installed, "here": __version__}, "calls of functions that it does not have fail",
            f"pgqueue migrate --schema {shlex.quote(self._schema)}, if this is the newer one; else upgrade this package",
        )  # fmt: skip


def _of_clock(there: datetime, before: datetime, after: datetime) -> Iterator[Finding]:
    """This machine's clock; the way there and back, in which the server was asked, is no difference."""
    ahead = max((before - there).total_seconds(), 0.0) + min((after - there).total_seconds(), 0.0)
    if abs(ahead) > MOST_AHEAD:
        which = "ahead of" if ahead > 0 else "behind"
        yield Finding(
            "clock-differs", "warning", "this machine", f"the clock of this machine is {abs(ahead):.0f} s {which} the database's",
            {"ahead_seconds": round(ahead, 3)}, "times that the application computes are off; the queue goes by the database",
            "synchronise both clocks (NTP)",
        )  # fmt: skip
