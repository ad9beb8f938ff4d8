"""read_filter: filters as text, and what is refused by its term."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from .conftest import Sql

WORKER = "00000000-0000-0000-0000-000000000001"


def read(sql: Sql, text: str, beside: Any = {}) -> Any:  # noqa: B006
    return sql.value("select check_filter(%s)", json.dumps({**beside, "q": text}))


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {}),
        ("queue:mail", {"queue": ["mail"]}),
        ("  queue:mail\n task:welcome* ", {"queue": ["mail"], "task": ["welcome*"]}),
        ("queue:mail queue:a,b", {"queue": ["a", "b", "mail"]}),
        ("state:FAILED,ready", {"state": ["failed", "ready"]}),
        ("17", {"ids": [17]}),
        ("17,18 id:19", {"ids": [17, 18, 19]}),
        ("welcome* report", {"task": ["report", "welcome*"]}),
        ('"17"', {"task": ["17"]}),
        ('"ns:task" task:"a, b"', {"task": ["a, b", "ns:task"]}),
        ("error:Timeout", {"error_type": ["*.Timeout", "Timeout"]}),
        ("error:pgqueue.errors.Timeout", {"error_type": ["pgqueue.errors.Timeout"]}),
        ("error_type:Timeout", {"error_type": ["Timeout"]}),
        ("reason:timeout fingerprint:00ff", {"reason": ["timeout"], "fingerprint": ["00ff"]}),
        ("limit:tenant:42", {"limit": "tenant:42"}),
        ('limit:tenant:"a b"', {"limit": "tenant:a b"}),
        (f"workflow:7 schedule:nightly worker:{WORKER}", {"workflow": 7, "schedule": "nightly", "worker": WORKER}),
        ("args.customer.id:5", {"args": {"customer": {"id": 5}}}),
        ('args.id:"5"', {"args": {"id": "5"}}),
        ("args.a:true args.b:null args.c:-1.50 args.d:007", {"args": {"a": True, "b": None, "c": -1.5, "d": "007"}}),
        ("args.a.b:1 args.a.c:x,y", {"args": {"a": {"b": 1, "c": "x,y"}}}),
        ('args.name:"two words" meta.x:y', {"args": {"name": "two words"}, "meta": {"x": "y"}}),
        (r'args.path:"C:\dir \"x\" \\"', {"args": {"path": 'C:\\dir "x" \\'}}),
        ('args."a.b: c":""', {"args": {"a.b: c": ""}}),
        ('args:{"a":["x y",{"b":1}]} args.c:[]', {"args": {"a": ["x y", {"b": 1}], "c": []}}),
        ("since:2026-11-30", {"created_after": "2026-11-30T00:00:00.000000+00:00"}),
        ("until:2026-11-30T12:00+01:00", {"created_before": "2026-11-30T11:00:00.000000+00:00"}),
        ("state:failed since:2026-11-30T12:00", {
            "state": ["failed"], "finished_after": "2026-11-30T12:00:00.000000+00:00"}),
        ("since:ever", {"created_after": "0001-01-01T00:00:00.000000+00:00"}),
        ("run_at_before:2030-01-01T00:00Z", {"run_at_before": "2030-01-01T00:00:00.000000+00:00"}),
        ("task:<script> queue:💥", {"task": ["<script>"], "queue": ["💥"]}),
    ],
)  # fmt: skip
def test_a_text_names_the_fields_of_a_filter(rolled_back_sql: Sql, text: str, fields: dict[str, Any]) -> None:
    assert read(rolled_back_sql, text) == fields


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("queu:mail", "queu:mail"), ("queue:", "queue:"), ("queue:,", "queue:,"), ('queue:"mail', 'queue:"mail'),
        ("queue.x:mail", "queue.x:mail"), ("q:mail", "q:mail"), ("ns:task", "ns:task"), ("id:x", "id:x"),
        ("workflow:x", "workflow:x"), ("limit:a limit:b", "limit:b"), ("limit:a,b", "limit:a,b"),
        ("args.a:1 args.a:2", "args.a:2"), ("args.a.b:1 args.a:2", "args.a:2"), ("args:5", "args:5"), ("args.a:", "args.a:"),
        ("args.a:{", "args.a:{"), ("args..a:1", "args..a:1"), ("since:2h since:3h", "since:3h"),
        ("args.a:1e999999", "args.a:1e999999"), ("args." + "a." * 20 + "b:1", "args.a"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_term(rolled_back_sql: Sql, text: str, term: str) -> None:
    with pytest.raises(Exception, match="is not valid; ") as caught:
        read(rolled_back_sql, text)
    assert caught.value.sqlstate == "PQ001"  # type: ignore[attr-defined]
    assert term in str(caught.value)


@pytest.mark.parametrize(("text", "field"), [("since:2foo", "since"), ("until:soon", "until"), ("state:odd", "state")])
def test_a_value_is_refused_by_its_field(rolled_back_sql: Sql, text: str, field: str) -> None:
    with pytest.raises(Exception, match=f"^{field}: ") as caught:
        read(rolled_back_sql, text)
    assert caught.value.sqlstate == "PQ001"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "span"),
    [("since:90", timedelta(seconds=90)), ("since:2h", timedelta(hours=2)), ('since:"7 days"', timedelta(days=7))],
)
def test_a_span_is_counted_back_from_now(rolled_back_sql: Sql, text: str, span: timedelta) -> None:
    since = datetime.fromisoformat(read(rolled_back_sql, text)["created_after"])
    age = rolled_back_sql.value("select clock_timestamp()") - since
    assert timedelta(0) <= age - span < timedelta(seconds=5)


def test_since_is_the_end_of_jobs_whose_states_are_named_beside_the_text(rolled_back_sql: Sql) -> None:
    assert set(read(rolled_back_sql, "since:2h", {"state": "failed"})) == {"state", "finished_after"}
    assert set(read(rolled_back_sql, "since:2h", {"state": ["failed", "ready"]})) == {"state", "created_after"}


@pytest.mark.parametrize(
    ("text", "beside", "both"),
    [
        ("queue:a,b", {"queue": ["b", "c"]}, {"queue": ["b"]}),
        ("queue:a", {"queue": "a"}, {"queue": ["a"]}),
        ("17 18", {"ids": [18, 19]}, {"ids": [18]}),
        ("args.a:1", {"args": {"b": 2}}, {"args": {"a": 1, "b": 2}}),
        ("limit:x", {"limit": "x", "queue": None}, {"limit": "x"}),
    ],
)
def test_a_job_must_match_the_text_and_what_stands_beside_it(rolled_back_sql: Sql, text: str, beside: Any, both: Any) -> None:
    assert read(rolled_back_sql, text, beside) == both


@pytest.mark.parametrize(
    ("text", "beside"),
    [
        ("queue:a", {"queue": "b"}),
        ("task:a", {"task": "b*"}),
        ("limit:x", {"limit": "y"}),
        ("args.a:1", {"args": {"a": 2}}),
    ],
)
def test_what_no_job_can_match_is_refused(rolled_back_sql: Sql, text: str, beside: Any) -> None:
    """Else a key for the queue b that asks for the queue a would find all of b."""
    with pytest.raises(Exception, match="give it once"):
        read(rolled_back_sql, text, beside)


def test_a_type_of_an_error_is_found_by_its_last_part(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    ids = []
    for name in ("pgqueue.errors.Timeout", "Timeout", "app.NoTimeout"):
        id, token = sql.running()
        error = {"type": name, "types": [name], "message": "m", "traceback": "t"}
        sql.finish(token, {"id": id, "state": "failed", "error": error, "final": True})
        ids.append(id)

    def found(filter: Any) -> list[int]:
        rows = sql.rows("select id from list_jobs(%s) where id is not null order by id", json.dumps(filter))
        return [row["id"] for row in rows]

    assert found({"q": "error:Timeout"}) == ids[:2]
    assert found({"error_type": "Timeout"}) == [ids[1]]
    assert found({"error_type": ["*Timeout"]}) == ids
    assert found({"q": "error:app.*"}) == [ids[2]]


def test_a_preview_tells_what_an_operation_would_be_about(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    ids = [sql.enqueue(queue="mail") for _ in range(3)]
    (row,) = sql.rows("select * from preview_operation('cancel', %s)", json.dumps({"q": "queue:mail"}))
    assert (row["jobs"], row["is_over"]) == (3, True)
    assert row["means"] == {"queue": ["mail"], "state": ["blocked", "scheduled", "ready", "running"]}
    (row,) = sql.rows("select jobs, is_over from preview_operation('cancel', '{}', true, look => 2)")
    assert row == {"jobs": 2, "is_over": False}
    (row,) = sql.rows("select * from preview_operation('retry', %s)", json.dumps({"ids": ids[:2]}))
    assert (row["jobs"], set(row["means"])) == (2, {"ids"})
    with pytest.raises(Exception, match="name a field"):
        sql.rows("select * from preview_operation('cancel', '{}')")
