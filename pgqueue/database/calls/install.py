"""Calls about the whole install: its version, its channels, its upkeep; see sql/functions/common and upkeep."""

from datetime import datetime
from typing import LiteralString, NamedTuple

from ..call import ALWAYS, Call, first_column, one_value

# Payloads on the channel of the workers; all other payloads there are names of queues.
RESULTS_WANTED = "!results"  # sent by ask_results
CANCEL_WANTED = "!cancel"  # sent by cancel_workflow, and by cancel and its kind about jobs that run
OPERATION_WANTED = "!operation"  # sent by start_operation
WATCH_WANTED = "!watch "  # sent by ask_watch, with ids behind it
SCHEDULES_CHANGED = "!schedules"  # sent by set_schedule and its kind
KEYS_CHANGED = "!keys"  # sent by create_key and revoke_key, for servers of the REST API
STACKS_WANTED = "!stacks "  # sent by ask_stacks, with the id of the worker behind it
TOLD = "!told "  # sent by tell_worker, with the id of the worker behind it
QUEUES_CHANGED = "!queues"  # sent by pause, resume and set_queue
# With a parameter, the name of the schema; see `foreign_owner`.
FOREIGN_OWNER: LiteralString = (
    "(select owner.rolname::text from pg_catalog.pg_namespace n "
    "join pg_catalog.pg_database d on d.datname = current_database() "
    "join pg_catalog.pg_roles stands on stands.oid = n.nspowner "
    "join pg_catalog.pg_roles owner on owner.oid = "
    "(case when stands.rolname = 'pg_database_owner' then d.datdba else n.nspowner end) "
    "join pg_catalog.pg_roles me on me.rolname = session_user "
    "where n.nspname = %s and me.rolsuper and not owner.rolsuper)"
)


def installed_version() -> Call[str]:
    """The version of pgqueue that has made the schema."""
    return Call("select {schema}.installed_version()", (), one_value, repeat_within=ALWAYS)


def is_read_only(schema_name: str) -> Call[bool]:
    """Whether nothing can be changed from here: on a replica, or as a role that may neither enqueue nor cancel."""
    return Call(
        "select pg_is_in_recovery() or not exists (select from pg_catalog.pg_proc "
        "where pronamespace = to_regnamespace(quote_ident(%s)) and (proname = 'enqueue' or proname = 'cancel') "
        "and has_function_privilege(oid, 'execute'))",
        (schema_name,),
        one_value,
        repeat_within=ALWAYS,
    )


class InstallSettings(NamedTuple):
    """What holds for the whole install: the row of the table `setting`, where each is explained.

    Attributes:
        history_days: finished jobs are kept so many days.
        dead_days: dead letters are kept so many days; None = for ever.
        audit_days: what people have done is kept so many days.
        metric_minute_days, metric_hour_days: roll-ups of minutes and of hours are kept so many days.
        max_args_bytes: of the arguments of a job.
        max_workflow_nodes: of one workflow.
        log_lines, log_bytes: of each job the last so many are kept.
        max_interruptions: so often workers that stop may interrupt a job until it counts as a suspect.
        created_at: when pgqueue was installed.
    """

    history_days: int
    dead_days: int | None
    audit_days: int
    metric_minute_days: int
    metric_hour_days: int
    max_args_bytes: int
    max_workflow_nodes: int
    log_lines: int
    log_bytes: int
    max_interruptions: int
    created_at: datetime


def install_settings() -> Call[InstallSettings]:
    """What holds for the whole install."""
    return Call(
        "select history_days, dead_days, audit_days, metric_minute_days, metric_hour_days, max_args_bytes, max_workflow_nodes, "
        "log_lines, log_bytes, max_interruptions, created_at from {schema}.setting",
        (),
        lambda rows: InstallSettings(*rows[0]),
        repeat_within=ALWAYS,
    )


def foreign_owner(schema_name: str) -> Call[str | None]:
    """The owner of a schema if it could take over this session: a superuser calls what a role that is none has made."""
    return Call("select " + FOREIGN_OWNER, (schema_name,), one_value, repeat_within=ALWAYS)


def installs() -> Call[list[str]]:
    """The schemas of this database that have pgqueue, by name."""
    return Call(
        "select n.nspname::text from pg_catalog.pg_namespace n where exists (select from pg_catalog.pg_proc f "
        "where f.pronamespace = n.oid and f.proname = 'installed_version') and exists (select from pg_catalog.pg_class c "
        "where c.relnamespace = n.oid and c.relname = 'setting') order by n.nspname",
        (),
        first_column,
        repeat_within=ALWAYS,
    )


def channel() -> Call[str]:
    """The channel for wake-ups of this install."""
    return Call("select {schema}.channel()", (), one_value, repeat_within=ALWAYS)


def done_channel() -> Call[str]:
    """The channel for the ids of jobs that are over."""
    return Call("select {schema}.channel() || '_done'", (), one_value, repeat_within=ALWAYS)


def maintain_if_due() -> Call[float]:
    """Make partitions and prune, unless another worker has done so. Returns the seconds until the next call."""
    return Call("select {schema}.maintain_if_due()", (), one_value)


def written_so_far() -> Call[str]:
    """Which transactions of the server have written something: equal to what it was before = nothing has changed since."""
    return Call("select pg_current_snapshot()::text", (), one_value, within=2.0, repeat_within=ALWAYS)


class Vitals(NamedTuple):
    """Whether an install can be used.

    Attributes:
        version: of pgqueue that has made the schema.
        workers: how many of them keep their lease.
    """

    version: str
    workers: int


def vitals() -> Call[Vitals]:
    """Whether an install can be used: for probes, which ask each second."""
    return Call(
        "select {schema}.installed_version(), (select count(*) from {schema}.worker_status where status <> 'DEAD')",
        (),
        lambda rows: Vitals(*rows[0]),
        within=2.0,
        repeat_within=ALWAYS,
    )
