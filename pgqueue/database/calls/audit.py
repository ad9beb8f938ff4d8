"""What people have done to the queue; see sql/functions/audit."""

from datetime import datetime
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any, NamedTuple

from ..call import ALWAYS, WHOLE, Call

Address = IPv4Address | IPv6Address | IPv4Interface | IPv6Interface


class AuditEntry(NamedTuple):
    """A change that somebody has made: a row of the view `audit`.

    Attributes:
        id: its id.
        at: when.
        by: who, as the caller said; the role if it said nothing.
        role: the database user of the session.
        client: the address of the session, or of the caller of the REST API; None = a socket of the machine.
        application: the application_name of the session.
        verb: what was called, such as cancel or set_limit; finish is the end of an operation.
        kind: what it was called for: job, queue, task, everything, limit, schedule, workflow, operation or key.
        subject: its id or name.
        reason: why; None if nobody said.
        before: what was changed, as it was; None if there was nothing.
        after: what it is now, or what came of it.
        filter: that of an operation.
        jobs: on how many jobs an operation has acted, in its last entry.
    """

    id: int
    at: datetime
    by: str
    role: str
    client: Address | None
    application: str | None
    verb: str
    kind: str
    subject: str
    reason: str | None
    before: Any
    after: Any
    filter: Any
    jobs: int | None


class AuditFilter(NamedTuple):
    """Which entries are wanted, from a time on or an interval from now; None = any."""

    since: str | None = None
    ago: str | None = None
    by: str | None = None
    verb: str | None = None
    kind: str | None = None
    subject: str | None = None


def audit(wanted: AuditFilter, limit: int, before: tuple[str, str] | None = None) -> Call[list[AuditEntry]]:
    """The latest entries that are wanted, the newest first; only those before an entry with this time and id, as texts."""
    return Call(
        "select id, at, by, role, client, application, verb, kind, subject, reason, before, after, filter, jobs "
        "from {schema}.audit where at >= coalesce(%s::text::timestamptz, clock_timestamp() + %s::text::interval, '-infinity') "
        "and (%s::text is null or by = %s) "
        "and (%s::text is null or verb = %s) and (%s::text is null or kind = %s) and (%s::text is null or subject = %s) "
        "and (at, id) < (coalesce(%s::text::timestamptz, 'infinity'), coalesce(%s::text::bigint, 0)) "
        "order by at desc, id desc limit %s::int",
        (wanted.since, wanted.ago, *(value for value in wanted[2:] for _ in range(2)), *(before or (None, None)), limit),
        lambda rows: [AuditEntry(*row) for row in rows],
        within=WHOLE,
        repeat_within=ALWAYS,
    )
