"""pgqueue keys."""

import re

from pgqueue import PgQueue
from pgqueue.control.keys import digest, read_key
from pgqueue.database.calls import keys as calls

from .conftest import Run


def test_a_key_is_printed_once_and_only_its_digest_is_stored(run: Run, app: PgQueue) -> None:
    ran = run("keys", "create", "--role", "producer", "--name", "deploy", "--queue", "mail", "--expires", "90d", "--no-arguments")
    assert re.fullmatch(r"pgq_[a-z0-9]{12}_[A-Za-z0-9_-]{43}\n", ran.out)
    id, secret = read_key(ran.out.strip()) or ("", "")
    found = app.database.run(calls.find_key(id))
    assert found is not None
    assert (bytes(found.hash), found.name, found.role, found.queues) == (digest(secret), "deploy", "producer", ["mail"])
    assert found.may_read_arguments is False
    assert found.valid_for is not None
    assert found.valid_for.days in (89, 90)
    listed = run("keys", "list", "--json")
    assert [key["id"] for key in listed.lines] == [id]
    assert secret not in listed.out + run("keys", "list").out


def test_a_key_is_revoked_by_its_id_or_by_itself_without_showing_it(run: Run) -> None:
    made = run("keys", "create", "--role", "viewer", "--json").lines[0]
    assert (made["name"], made["role"], made["expires_at"]) == ("viewer", "viewer", None)
    assert run("keys", "revoke", made["key"]).out == f"key {made['id']} revoked\n"
    assert run("keys", "revoke", made["id"], "--json").lines == [{"id": made["id"], "revoked": False}]
    assert run("keys", "list", "--json").lines[0]["status"] == "revoked"


def test_a_key_that_is_not_there_is_exit_code_3_and_a_wrong_role_2(run: Run) -> None:
    assert run("keys", "revoke", "abcdefghijkl").code == 3
    ran = run("keys", "create", "--role", "root")
    assert (ran.code, "viewer" in ran.err) == (2, True)
    assert run("keys", "create", "--role", "viewer", "--expires", "soon").code == 2
    assert run("keys", "create", "--role", "viewer", "--expires", "0").code == 2
    assert run("keys", "list").out == "no keys\n"
