"""An operation for people: one line about what it did, and its facts."""

from collections.abc import Mapping

from rich.text import Text

from ..database.calls.operations import OperationStatus
from .output import console, facts_of
from .secrets import safe

DID = {"asked": "asked to stop", "fenced": "cancelled by force"}
FACTS = (
    "kind", "filter", "spec", "by", "reason", "state", "dry_run", "per_second", "matched", "done", "skipped", "failed",
    "left_over", "created_at", "started_at", "finished_at", "cancelled_by", "next_at",
)  # fmt: skip


def line(now: OperationStatus) -> str:
    """What an operation has done so far, in one line; of a dry run what it would do."""
    would = "would be " if now.dry_run else ""
    parts = [f"{count:,} {would}{DID.get(what, what)}" for what, count in now.did.items()] or [f"0 {would}{_done(now.kind)}"]
    parts += [f"{now.skipped:,} skipped ({_counted(now.skipped_by_reason)})"] if now.skipped else []
    parts += [f"{now.failed:,} failed"] if now.failed else []
    parts += [f"{now.left_over:,} left over"] if now.left_over else []
    found = f"{now.matched:,} jobs found" if now.state == "collecting" else f"of {_jobs(now.matched)}"
    dry = " (dry run: nothing was changed)" if now.dry_run else ""
    return f"operation {now.id} {now.state}{dry}: {found}: {', '.join(parts)}"


def print_status(now: OperationStatus) -> None:
    """Everything that is known of an operation."""
    out = console()
    out.print(line(now), style="bold", markup=False)
    pace = None if now.per_second is None else f"{now.per_second:g} jobs"  # a number alone would be shown as a duration
    out.print(facts_of(now._asdict() | {"spec": now.spec or None, "dry_run": now.dry_run or None, "per_second": pace}, FACTS))
    for error in now.errors:
        out.print(Text(safe(f"{_whose(error)}: {' '.join(str(error['message']).split())}"), "red"))


def _whose(error: Mapping[str, object]) -> str:
    return "the operation" if error["job_id"] is None else f"job {error['job_id']}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items(), key=lambda item: -item[1]))


def _jobs(count: int) -> str:
    return f"{count:,} job{'' if count == 1 else 's'}"


def _done(kind: str) -> str:
    return {"cancel": "cancelled", "retry": "retried", "discard": "discarded"}.get(kind, "updated")
