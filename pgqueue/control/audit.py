"""What people have done to the queue: who, when, what it was before and after."""

from datetime import datetime
from typing import Any

from .._checks import Duration, invalid, is_whole, read_since, read_text
from ..client import Client
from ..database.call import Call
from ..database.calls.audit import AuditEntry, AuditFilter
from ..database.calls.audit import audit as audit_call

MOST_ROWS = 10_000
VERBS = (
    "cancel", "retry", "discard", "update", "pause", "resume", "set_queue", "reset_queue", "set_limit", "delete_limit",
    "reset_limit", "park", "unpark", "set_schedule", "delete_schedule", "pause_schedule", "resume_schedule", "trigger_schedule",
    "backfill_schedule", "cancel_workflow", "retry_workflow", "start_operation", "cancel_operation", "finish",
    "create_key", "revoke_key", "tell_worker",
    "make_pool", "set_pool", "scale_pool", "set_autoscale", "roll_pool", "pause_pool", "resume_pool", "delete_pool",
)  # fmt: skip
KINDS = ("job", "queue", "task", "everything", "limit", "schedule", "workflow", "operation", "key", "pool", "worker")


class HasAudit(Client):
    """The part of an app that reads the audit log."""

    def audit(
        self,
        *,
        since: datetime | Duration | None = None,
        by: str | None = None,
        verb: str | None = None,
        kind: str | None = None,
        subject: str | int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """What people have done, the newest first. Entries are kept for `setting.audit_days`.

        Args:
            since: not what was done before: a datetime with a time zone, or a timedelta or seconds from now, such as -3600. All
                by default, as with every other one.
            by: by whom, in full.
            verb: what was called, such as "cancel", "pause" or "set_limit".
            kind: to what: "job", "queue", "task", "everything", "limit", "schedule", "workflow", "operation", "key", "pool"
                or "worker".
            subject: its id or name.
            limit: the most that are returned, up to 10,000; 100 by default.

        Raises:
            InvalidArgument: an argument is invalid.
        """
        return self.database.run(reading(since, by, verb, kind, subject, limit))

    async def aaudit(self, **wanted: Any) -> list[AuditEntry]:
        """`audit` for async code, with the same arguments."""
        return await self.async_database.run(reading(**wanted))


def reading(
    since: datetime | Duration | None = None,
    by: str | None = None,
    verb: str | None = None,
    kind: str | None = None,
    subject: str | int | None = None,
    limit: int = 100,
    *,
    before: tuple[str, str] | None = None,
) -> Call[list[AuditEntry]]:
    """The call that reads these entries; `before`: only those before the entry with this time and id, as texts.

    Raises:
        InvalidArgument: an argument is invalid.
    """
    for field, value, allowed in (("verb", verb, VERBS), ("kind", kind, KINDS)):
        if value is not None and value not in allowed:
            raise invalid(field, value, f"use one of {', '.join(allowed)}")
    if not is_whole(limit) or not 1 <= limit <= MOST_ROWS:
        raise invalid("limit", limit, f"use 1 to {MOST_ROWS:,}")
    at, ago = (None, None) if since is None else read_since("since", since)
    its = read_text("subject", str(subject) if is_whole(subject) else subject)
    return audit_call(AuditFilter(at, ago, read_text("by", by), verb, kind, its), limit, before)
