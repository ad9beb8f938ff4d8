"""The audit log over HTTP."""

from collections.abc import Callable

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.api.bodies.audit import AuditEntryOut
from pgqueue.api.bodies.pages import Page
from pgqueue.database.acting import acting_as
from tests.api.shapes import read, refused
from tests.looking import Look

FILL = (
    "insert into audit_log (at, by, role, verb, kind, subject, before, after) "
    "select '2030-01-01Z', 'ann', 'r', 'pause', 'queue', 'q' || n, '{\"a\": 1}', '{\"a\": 2}' from generate_series(1, %s) n"
)


def test_pages_have_each_entry_once_even_if_all_are_of_one_moment(look: Look, api: httpx.Client) -> None:
    look.rows(FILL, 50)
    seen, cursor = list[str](), ""
    while True:
        page = read(api.get(f"/audit?limit=7{cursor}"), Page[AuditEntryOut])
        seen += [entry.subject for entry in page.items]
        if page.next is None:
            break
        cursor = f"&cursor={page.next}"
    assert seen == [f"q{n}" for n in range(50, 0, -1)]


def test_entries_are_found_by_who_did_what_to_what_and_when(app: PgQueue, api: httpx.Client) -> None:
    app.pause(queue="mail", by="ann", reason="upgrade")
    with acting_as("bob"):
        app.resume(queue="mail")
    app.pause(queue="news", by="bob")

    def found(**wanted: str) -> list[tuple[str, str, str]]:
        entries = read(api.get("/audit", params=wanted), Page[AuditEntryOut]).items
        return [(entry.by, entry.verb, entry.subject) for entry in entries]

    assert found(by="bob", since="-1h") == [("bob", "pause", "news"), ("bob", "resume", "mail")]
    assert found(subject="mail", verb="pause") == [("ann", "pause", "mail")]
    assert found(kind="job") == []
    assert found(since="2990-01-01T00:00:00Z") == []


def test_a_key_that_may_not_read_arguments_sees_who_and_when_but_no_values(
    look: Look, api: httpx.Client, calls_as: Callable[..., None]
) -> None:
    look.rows(FILL, 1)
    (entry,) = read(api.get("/audit"), Page[AuditEntryOut]).items
    assert (entry.before, entry.after) == ({"a": 1}, {"a": 2})
    calls_as(may_read_arguments=False)
    (entry,) = read(api.get("/audit"), Page[AuditEntryOut]).items
    assert (entry.before, entry.after, entry.by) == (None, None, "ann")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"), ("since=2030-01-01T00:00:00", "since"), ("since=-2 hours", "since"), ("verb=look", "verb"),
        ("kind=thing", "kind"), ("limit=0", "limit"), ("limit=1001", "limit"),
        ("cursor=abc", "cursor"), ("cursor=%00", "cursor"), ("by=%00", "by"), ("subject=%00", "subject"),
    ],
)  # fmt: skip
def test_bad_values_are_named(api: httpx.Client, query: str, field: str) -> None:
    refused(api.get(f"/audit?{query}"), 422, field)
