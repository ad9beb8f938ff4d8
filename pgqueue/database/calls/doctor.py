"""What is wrong with an install; see sql/functions/doctor."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, LiteralString, NamedTuple
from uuid import UUID

from ..call import ALWAYS, WHOLE, Call, Rows, first_column, one_value
from .install import FOREIGN_OWNER

Severity = Literal["note", "warning", "error"]
CHECK_WITHIN = 2.0  # seconds for one check, on the server too
# The checks that are functions of SQL: diagnose_… of each of these.
NOUNS: tuple[LiteralString, ...] = (
    "settings", "schema", "connections", "horizon", "vacuum", "notifications", "partitions", "rollups", "plans", "workers",
    "queues", "tasks", "schedules", "pauses", "workflows", "pools",
)  # fmt: skip


class Finding(NamedTuple):
    """What is wrong, as one check has found it.

    Attributes:
        name: the kind of finding: words with - between them; it stays the same from release to release.
        severity: "error": jobs do not run or can be lost; "warning": they soon may, or are late; "note": worth knowing.
        subject: what it is about: a table, a queue, a session; with the name it tells findings apart.
        problem: what is wrong, with its figures, in one sentence.
        figures: the same figures for machines.
        consequence: what happens if nothing is done.
        remedy: what to do; if possible a statement or a command that can be pasted.
    """

    name: str
    severity: Severity
    subject: str
    problem: str
    figures: dict[str, Any]
    consequence: str
    remedy: str


class Situation(NamedTuple):
    """What can be asked of any server, whether pgqueue is installed there or not.

    Attributes:
        role: the role of this session.
        database: its name.
        version: of the server, as a number: 180001.
        is_standby: whether the server is a standby.
        is_read_only: whether transactions are read-only by default.
        may_use: whether the role may use the schema; None = there is no such schema.
        is_installed: whether the schema has pgqueue.
        may_diagnose: whether the role may call the checks; None = they are not there.
        clock: the time on the server.
        foreign_owner: the owner of the schema, if nothing in it should be called by this session.
    """

    role: str
    database: str
    version: int
    is_standby: bool
    is_read_only: bool
    may_use: bool | None
    is_installed: bool
    may_diagnose: bool | None
    clock: datetime
    foreign_owner: str | None = None


class Table(NamedTuple):
    """A table of the install: its name, and whether the role of the session owns it."""

    name: str
    is_own: bool


class Change(NamedTuple):
    """A finding that is new, or gone."""

    change: Literal["new", "gone"]
    name: str
    severity: Severity
    subject: str
    problem: str


def situation(schema: str) -> Call[Situation]:
    """What there is, asked of the catalog: it works without pgqueue, and for a role that may nothing."""
    return Call(
        "select current_user::text, current_database()::text, current_setting('server_version_num')::int, "
        "pg_is_in_recovery(), "
        "(select reset_val from pg_catalog.pg_settings where name = 'default_transaction_read_only') = 'on', "
        "(select has_schema_privilege(oid, 'usage') from pg_catalog.pg_namespace where nspname = %s), "
        "exists (select from pg_catalog.pg_proc f join pg_catalog.pg_namespace n on n.oid = f.pronamespace "
        "where n.nspname = %s and f.proname = 'installed_version'), "
        "(select has_function_privilege(f.oid, 'execute') from pg_catalog.pg_proc f join pg_catalog.pg_namespace n "
        "on n.oid = f.pronamespace where n.nspname = %s and f.proname = 'diagnose_settings' limit 1), "
        "clock_timestamp(), " + FOREIGN_OWNER,
        (schema, schema, schema, schema),
        lambda rows: Situation(*rows[0]),
    )


class Room(NamedTuple):
    """How many connections there may be.

    Attributes:
        most: of the server, without those that it keeps for superusers.
        used: that are open now.
        ours: those of them whose names begin with pgqueue, as far as this role may see names.
        role_most: of the role of this session; None = as many as of the server.
        database_most: of its database; None = as many as of the server.
        may_work: whether the role may do what workers do; None = there is no such function.
    """

    most: int
    used: int
    ours: int
    role_most: int | None
    database_most: int | None
    may_work: bool | None


def room(schema: str) -> Call[Room]:
    """How many more workers the server has room for, and whether this role may be one."""
    return Call(
        "select (current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int) "
        "- coalesce(current_setting('reserved_connections', true), '0')::int, "
        "(select coalesce(sum(numbackends), 0)::int from pg_catalog.pg_stat_database), "
        "(select count(*)::int from pg_catalog.pg_stat_activity where starts_with(application_name, 'pgqueue')), "
        "(select (case when rolconnlimit >= 0 then rolconnlimit end) from pg_catalog.pg_roles where rolname = current_user), "
        "(select (case when datconnlimit >= 0 then datconnlimit end) from pg_catalog.pg_database "
        "where datname = current_database()), "
        "(select has_function_privilege(f.oid, 'execute') and has_schema_privilege(n.oid, 'usage') "
        "from pg_catalog.pg_proc f join pg_catalog.pg_namespace n "
        "on n.oid = f.pronamespace where n.nspname = %s and f.proname = 'register_worker' limit 1)",
        (schema,),
        lambda rows: Room(*rows[0]),
        repeat_within=ALWAYS,
    )


def diagnose(noun: LiteralString) -> Call[list[Finding]]:
    """One check of `NOUNS`."""
    return Call("select * from {schema}.diagnose_" + noun + "()", (), _findings, within=CHECK_WITHIN, repeat_within=ALWAYS)


def diagnose_zones(points: str) -> Call[list[Finding]]:
    """Compare time zones. `points`: a JSON array of what Python says."""
    statement: LiteralString = "select * from {schema}.diagnose_zones(%s::text::jsonb)"
    return Call(statement, (points,), _findings, within=CHECK_WITHIN, repeat_within=ALWAYS)


def zones_in_use() -> Call[list[str]]:
    """The time zones of schedules."""
    return Call("select * from {schema}.zones_in_use()", (), first_column, within=CHECK_WITHIN, repeat_within=ALWAYS)


def diagnosis_due(worker: UUID, clock: datetime, every: float) -> Call[float]:
    """Whether this worker is to examine the install now: 0, or seconds until the next call.

    Args:
        worker: its id.
        clock: the time on its machine.
        every: seconds between two examinations by any worker.
    """
    return Call("select {schema}.diagnosis_due(%s, %s, make_interval(secs => %s))", (worker, clock, every), one_value)


def note_findings(findings: str, checks: Sequence[str]) -> Call[list[Change]]:
    """Remember what was found, a JSON array, by the checks that were made. Returns what is new and what is gone."""
    return Call(
        "select change, name, severity, subject, problem from {schema}.note_findings(%s::text::jsonb, %s)",
        (findings, list(checks)),
        lambda rows: [Change(*row) for row in rows],
    )


def findings() -> Call[list[Finding]]:
    """What workers have found wrong when they examined the install last, if that was in the last minutes; without notes."""
    return Call(
        "select name, severity, subject, problem, figures, consequence, remedy from {schema}.findings "
        "where severity <> 'note' and seen_at > (clock_timestamp() - interval '3 minutes') "
        "order by severity, name, subject limit 100",
        (),
        _findings,
        repeat_within=ALWAYS,
    )


def first_seen() -> Call[dict[tuple[str, str], datetime]]:
    """Since when what workers see now is wrong, by the names and subjects of findings."""
    return Call(
        "select name, subject, since from {schema}.findings "
        "where seen_at > (clock_timestamp() - interval '3 minutes') limit 1000",
        (),
        lambda rows: {(name, subject): since for name, subject, since in rows},
        repeat_within=ALWAYS,
    )


def maintain() -> Call[bool]:
    """Make partitions and prune now. Returns False if another session is at it."""
    return Call("select {schema}.maintain()", (), one_value, within=WHOLE)


def tables(schema: str) -> Call[list[Table]]:
    """The tables of the install; a partitioned one counts as one. Those of other owners in the schema are not ours."""
    return Call(
        "select c.relname::text, pg_has_role(c.relowner, 'usage') from pg_catalog.pg_class c "
        "join pg_catalog.pg_namespace n on n.oid = c.relnamespace "
        "join pg_catalog.pg_class job on job.relnamespace = n.oid and job.relname = 'job' and job.relowner = c.relowner "
        "where n.nspname = %s and (c.relkind = 'r' or c.relkind = 'p') and not c.relispartition order by c.relname",
        (schema,),
        lambda rows: [Table(*row) for row in rows],
        repeat_within=ALWAYS,
    )


def _findings(rows: Rows) -> list[Finding]:
    return [Finding(*row) for row in rows]
