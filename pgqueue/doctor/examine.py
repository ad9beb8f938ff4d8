"""Runs the checks, each by itself and each with its own deadline; what cannot be checked is a finding too."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import psycopg

from ..check import check_configuration
from ..database import Call
from ..database.bridge import run_on_own
from ..database.calls import doctor as calls
from ..database.calls.doctor import CHECK_WITHIN, NOUNS, Finding, Severity
from ..database.connection import OwnConnection, open_connection
from ..database.reach import is_open
from ..errors import ConfigurationError, PgQueueError
from ..registry import Registry
from .listening import listening
from .refused import no_connection, not_run
from .situation import SituationCheck
from .zones import points_of

T = TypeVar("T")
SLACK = 3.0  # seconds for an answer beyond the deadline of a check on the server
WORST: tuple[Severity, ...] = ("note", "warning", "error")


class Examination(NamedTuple):
    """What was examined, and what was found, the worst first.

    Attributes:
        checks: how many checks were made, or tried.
        findings: what they have found.
    """

    checks: int
    findings: list[Finding]

    @property
    def exit_code(self) -> int:
        """0: nothing is wrong, or only notes; 1: warnings; 2: errors."""
        return max((WORST.index(one.severity) for one in self.findings), default=0)


class Examiner:
    """Makes the checks of one app, on one connection that it opens again if a check has cost it.

    Args:
        app: the app; one without tasks is as good as its settings.

    Attributes:
        checks: how many checks were made, or tried.
        findings: what they have found.
    """

    def __init__(self, app: Registry) -> None:
        self._app = app
        self._connection: OwnConnection | None = None
        self.checks, self.findings = 0, list[Finding]()

    def check(self, name: str, look: Callable[[], list[Finding]]) -> bool:
        """Make a check. Returns whether it could be made."""
        self.checks += 1
        try:
            self.findings += look()
        except (PgQueueError, psycopg.Error) as error:
            self.findings.append(not_run(name, error, self._app.settings.schema_name))
            return False
        return True

    def run(self, call: Call[T]) -> T:
        """Run one call in a transaction of its own, which the server ends after 2 s too."""
        connection = self._open()
        connection.deadline = CHECK_WITHIN + SLACK
        with connection.transaction():
            connection.execute(b"set local statement_timeout = %d" % int(CHECK_WITHIN * 1000))
            return self._app.database.run_on(run_on_own, connection, call)

    def _open(self) -> OwnConnection:
        if self._connection is None or not is_open(self._connection):
            self.close()
            self._connection = open_connection(self._app.url, "pgqueue doctor")
        return self._connection

    def examination(self) -> Examination:
        """What was found until now."""
        return Examination(self.checks, sorted(self.findings, key=lambda one: -WORST.index(one.severity)))

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def examine(app: Registry) -> Examination:
    """Make all checks of the install, of how it is reached from here, and of the app.

    Args:
        app: the app; one without tasks is as good as its settings.

    Raises:
        DatabaseNotConfigured: there is no database URL.
    """
    examiner = Examiner(app)
    try:
        _examine(app, examiner)
    finally:
        examiner.close()
    return examiner.examination()


def _examine(app: Registry, examiner: Examiner) -> None:
    examiner.check("configuration", lambda: configuration(app))
    situation = look_around(app, examiner)
    if situation is None:
        return
    if situation.may_diagnose:
        for noun in NOUNS:
            examiner.check(noun, lambda noun=noun: examiner.run(calls.diagnose(noun)))  # type: ignore[misc]
        examiner.check("zones", lambda: _zones(examiner.run))


def look_around(app: Registry, examiner: Examiner) -> SituationCheck | None:
    """Look how the install is reached. Returns what is known then; None = it is not reached.

    Raises:
        DatabaseNotConfigured: there is no database URL.
    """
    situation = SituationCheck(app.settings.schema_name, examiner.run)
    try:
        app.url  # noqa: B018  # a missing one is not a connection that is refused
        examiner.run(calls.situation(app.settings.schema_name))
    except psycopg.Error as error:
        examiner.checks += 1
        examiner.findings.append(no_connection(error))
        return None
    examiner.check("rights", situation.look)
    examiner.check("listening", lambda: listening(app.listen_url))
    return situation


def configuration(app: Registry) -> list[Finding]:
    """What is wrong with the settings and tasks."""
    try:
        check_configuration(app)
    except ConfigurationError as error:
        so, do = "a worker of this app does not start, or not as it is meant", "change what is named"
        return [Finding("wrong-configuration", "error", "settings", str(error), {}, so, do)]
    return []


def _zones(run: Callable[[Call[Any]], Any]) -> list[Finding]:
    zones = run(calls.zones_in_use())
    found: list[Finding] = run(calls.diagnose_zones(points_of(zones))) if zones else []
    return found
