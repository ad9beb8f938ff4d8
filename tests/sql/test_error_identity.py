"""error_identity: failures of one kind have one fingerprint, others have another one."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql
from .dead import TRACEBACK, dead, identity

ERROR = {"type": "smtp.Refused", "message": "user 4711 was refused", "traceback": TRACEBACK}
CAUSE = {"type": "OSError", "message": "no route to 10.0.0.1", "frames": '  File "/x/net.py", line 0, in dial\n'}
SAME: dict[str, dict[str, Any]] = {
    "another id": {"message": "user 12 was refused"},
    "moved lines": {"traceback": TRACEBACK.replace("line 12", "line 19").replace("line 80", "line 3")},
    "another directory": {"traceback": TRACEBACK.replace("/srv/releases/41", "/opt/app")},
    "frames of ours": {"traceback": TRACEBACK.replace("execute.py", "surround.py").replace("in execute", "in call")},
}
OTHER: dict[str, dict[str, Any]] = {
    "another type": {"type": "smtp.Busy"},
    "other words": {"message": "user 4711 was not found"},
    "another file": {"traceback": TRACEBACK.replace("smtp.py", "imap.py")},
    "another function": {"traceback": TRACEBACK.replace("in send", "in resend")},
    "a cause": {"cause": CAUSE},
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_differs_from_one_failure_to_the_next_does_not_count(rolled_back_sql: Sql, change: dict[str, Any]) -> None:
    assert identity(rolled_back_sql, **ERROR | change) == identity(rolled_back_sql, **ERROR)


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_another_kind_of_failure_has_another_fingerprint(rolled_back_sql: Sql, change: dict[str, Any]) -> None:
    assert identity(rolled_back_sql, **ERROR | change)[1] != identity(rolled_back_sql, **ERROR)[1]


def test_it_is_the_innermost_cause_that_counts_and_the_type_of_the_whole(rolled_back_sql: Sql) -> None:
    said = identity(rolled_back_sql, **ERROR, cause=CAUSE)

    assert identity(rolled_back_sql, type="smtp.Refused", message="something else", traceback=None, cause=CAUSE) == said
    assert identity(rolled_back_sql, **ERROR, cause=CAUSE | {"message": "no route to fe80::1ff:23"}) == said
    assert identity(rolled_back_sql, **ERROR, cause=CAUSE | {"type": "EOFError"}) != said
    assert identity(rolled_back_sql, **ERROR, cause=CAUSE | {"frames": CAUSE["frames"].replace("dial", "listen")}) != said
    assert said[0] == "smtp.Refused"


def test_a_job_fails_the_same_where_a_role_has_backslashes_in_strings_as_escapes(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    error = ERROR | {"traceback": TRACEBACK.replace("/", "\\")}
    sql.rows("set standard_conforming_strings = off")  # on a new connection, which has read no function yet

    id = dead(sql, error)

    assert sql.value("select fingerprint from dead_letter where id = %s", id) == identity(another_sql(), **error)[1]


MESSAGES = {
    "user 4711 not found": "user ? not found",
    "can't open 'a b' for 'it's'": "can't open ? for ?",
    'key "x" (a)=(7) exists': "key ? (a)=(?) exists",
    "missing ['a', 'b', \"c\"]": "missing [?]",
    "missing ['a']": "missing [?]",
    "<Foo object at 0x7f12ab>": "<Foo object at ?>",
    "id 550e8400-e29b-41d4-a716-446655440000 is gone": "id ? is gone",
    "connect to 10.0.0.1:5432 failed": "connect to ? failed",
    "connect to fe80::1ff:fe23:4567:890a failed": "connect to ? failed",
    "b'a\\x00' and `cmd` are bad": "? and ? are bad",
    "it's what they've said": "it's what they've said",
    "cut in the 'middle": "cut in the ?",
    "two\n  lines": "two lines",
    "": "",
}


@pytest.mark.parametrize("message", MESSAGES, ids=[f"message {n}" for n in range(len(MESSAGES))])
def test_the_shape_of_a_message_has_neither_numbers_nor_quoted_parts(rolled_back_sql: Sql, message: str) -> None:
    assert rolled_back_sql.value("select message_shape(%s)", message) == MESSAGES[message]


@pytest.mark.parametrize("message", ["'" * 4096, "1 " * 2048, "a'b" * 1300, "x" * 4096], ids=["quotes", "numbers", "words", "x"])
def test_no_message_takes_long(rolled_back_sql: Sql, message: str) -> None:
    rolled_back_sql.rows("set local statement_timeout = '1 s'")

    rolled_back_sql.value("select count(message_shape(%s || n)) from generate_series(1, 200) n", message)


def test_where_an_error_was_raised_is_its_last_twenty_frames_and_a_repeated_one_once(rolled_back_sql: Sql) -> None:
    frames = "".join(f'  File "/x/m{n}.py", line {n}, in f\n' for n in range(30)) + '  File "/x/m29.py", line 1, in f\n' * 2

    read = rolled_back_sql.value("select frames_of(%s)", frames).split("\n")

    assert read == [f"m{n}.py:f" for n in range(12, 30)]


def test_a_dead_letter_has_the_identity_of_its_last_error(rolled_back_sql: Sql) -> None:
    id = dead(rolled_back_sql, ERROR | {"cause": CAUSE})

    (row,) = rolled_back_sql.rows("select error_type, fingerprint, errors from dead_letter where id = %s", id)
    assert (row["error_type"], row["fingerprint"]) == identity(rolled_back_sql, **ERROR, cause=CAUSE)
    assert row["errors"][0]["cause"] == CAUSE
    again = rolled_back_sql.value("select fingerprint from error_identity(%s)", json.dumps(row["errors"]))
    assert again == row["fingerprint"]  # so it can be computed again


@pytest.mark.parametrize("end", ["late", "crashed"])
def test_a_job_that_no_handler_has_ended_has_one_too(rolled_back_sql: Sql, end: str) -> None:
    sql = rolled_back_sql
    if end == "late":
        id = sql.enqueue(total_timeout=timedelta(seconds=60))
        sql.rows("update job set deadline_at = clock_timestamp() - interval '1 s' where id = %s", id)
        sql.value("select expire()")
    else:
        id, worker = sql.enqueue(retries=0), sql.worker()
        sql.claim(worker)
        sql.rows("update worker set started = array[%s::bigint]", id)
        sql.lose(worker)
        sql.value("select rescue()")

    (row,) = sql.rows("select error_type, fingerprint from dead_letter where id = %s", id)
    assert (row["error_type"], len(row["fingerprint"])) == ({"late": "pgqueue.errors.Timeout", "crashed": "WorkerLost"}[end], 16)


@pytest.mark.parametrize("error", ["text", 1, None, ["list"], {"cause": "text"}, {"cause": {"type": 1, "message": ["x"]}}])
def test_an_error_of_any_form_loses_no_job(rolled_back_sql: Sql, error: Any) -> None:
    id = rolled_back_sql.enqueue(retries=0)
    token, _ = rolled_back_sql.claim(rolled_back_sql.worker())

    (verdict,) = rolled_back_sql.finish(token, {"id": id, "state": "failed", "error": error})

    assert verdict["verdict"] == "dead_letter"


def test_what_is_kept_of_a_cause_is_bounded(rolled_back_sql: Sql) -> None:
    long = "x" * 100_000

    id = dead(rolled_back_sql, {"type": "E", "cause": {"type": long, "message": long, "frames": long, "more": long}})

    cause = rolled_back_sql.job(id)["errors"][0]["cause"]
    assert {name: len(text) for name, text in cause.items()} == {"type": 200, "message": 1000, "frames": 4096}


def test_whoever_inserts_a_dead_letter_gives_it_its_identity(rolled_back_sql: Sql) -> None:
    inserting = rolled_back_sql.rows(
        "select proname, prosrc ~ 'error_identity\\(' as identifies from pg_proc "
        "where pronamespace = 'pgqueue'::regnamespace and prosrc ~ 'insert into dead_letter'"
    )

    assert len(inserting) >= 3
    assert [row["proname"] for row in inserting if not row["identifies"]] == []
