"""What can be pasted of a remedy of doctor, and what an entry of the audit log has changed."""

import pytest

from pgqueue.dashboard.nouns.changes import Change, changes_of
from pgqueue.dashboard.nouns.remedy import command_of

REMEDIES = {
    "select pgqueue.resume('queue', 'mail')": "select pgqueue.resume('queue', 'mail')",
    "vacuum (analyze) job -- or: pgqueue maintain --vacuum": "vacuum (analyze) job -- or: pgqueue maintain --vacuum",
    "grant pg_read_all_stats to shop": "grant pg_read_all_stats to shop",
    'grant "pgqueue_viewer" to the role of this session, and examine again': None,
    "start a worker for it: pgqueue worker MODULE:APP --queues mail": "pgqueue worker MODULE:APP --queues mail",
    "pgqueue migrate --schema jobs; or give the right one: PGQUEUE_SCHEMA": "pgqueue migrate --schema jobs",
    "pgqueue migrate --schema jobs, if this is the newer one; else upgrade this package": "pgqueue migrate --schema jobs",
    "deploy it; or, if it is gone for good: pgqueue cancel --task 'a; or b'": "pgqueue cancel --task 'a; or b'",
    # Names of attackers: nothing in quotes is a command by itself.
    "deploy it; or: pgqueue cancel --task 'a\nb: pgqueue dev $(evil)'": "pgqueue cancel --task 'a\nb: pgqueue dev $(evil)'",
    r"deploy it; or: pgqueue cancel --task 'a'\''b: pgqueue dev $(x)'": r"pgqueue cancel --task 'a'\''b: pgqueue dev $(x)'",
    "read 'a: pgqueue dev $(evil)'": None,
    "read: pgqueue dev\nevil": None,
    "restart them with the version of the schema": None,
    "give PGQUEUE_LISTEN_URL a connection past the pooler, straight to the server": None,
}


@pytest.mark.parametrize(("remedy", "command"), REMEDIES.items(), ids=range(len(REMEDIES)))
def test_a_remedy_is_pasted_as_far_as_it_is_a_command(remedy: str, command: str | None) -> None:
    assert command_of(remedy) == command


def test_values_that_differ_stand_side_by_side() -> None:
    before, after = {"rate": 5, "per": "1 s", "note": "a"}, {"rate": 9, "per": "1 s", "burst": {"n": 1}}
    assert changes_of(before, after) == [Change("rate", "5", "9"), Change("burst", None, '{"n":1}'), Change("note", "a", None)]
    assert changes_of(None, "8,000 characters …") == [Change("", None, "8,000 characters …")]
    assert changes_of(None, None) == []
