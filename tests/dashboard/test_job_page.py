"""The page of a job shows what is known of it, bounded, to whom it may be shown."""

import json
import re
import time

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.dashboard import Viewer
from tests.dashboard.acting import seen_by
from tests.dashboard.forms import text_of
from tests.sql.conftest import Sql
from tests.sql.flows import node, start

HOSTILE = "<script>alert(1)</script>\"'\u202e🦊" + "x" * 150


def test_what_decides_stands_on_top_in_words(http: httpx.Client, sql: Sql) -> None:
    id = sql.enqueue("send_mail", run_after="2 h")
    page = text_of(http.get(f"jobs/{id}"))
    assert "Runs in 2 h" in page
    assert "It waits for its time" in page
    held = sql.enqueue("send_mail")
    sql.value("select pause('everything', reason => 'we move')")
    page = http.get(f"jobs/{held}").text
    assert "we move" in page
    assert 'href="../queues/default"' in page


def test_a_limit_is_named_with_the_way_to_it(http: httpx.Client, sql: Sql) -> None:
    sql.value("select set_limit('openai', rate => 1, per => '1 h')")
    ids = [sql.enqueue(limits=["openai"]) for _ in range(2)]
    sql.claim(sql.worker())
    page = http.get(f"jobs/{ids[1]}").text
    assert "Can run in" in text_of(page)
    assert 'href="../limits/openai"' in page


def test_an_attempt_is_shown_with_its_error_and_its_traceback(http: httpx.Client, sql: Sql) -> None:
    id, token = sql.running()
    error = {"type": "app.Refused", "types": ["app.Refused"], "message": HOSTILE, "traceback": f"File mail.py\n{HOSTILE}"}
    sql.finish(token, {"id": id, "state": "failed", "final": True, "elapsed": 0.1, "error": error})
    page = http.get(f"jobs/{id}").text
    assert "app.Refused" in page
    assert "File mail.py" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page


def test_small_values_are_shown_larger_ones_folded_and_large_ones_not_at_all(http: httpx.Client, sql: Sql) -> None:
    small, middle, large = (sql.enqueue(args={"text": "x" * size}) for size in (100, 10_000, 100_000))
    assert "x" * 100 in http.get(f"jobs/{small}").text
    page = http.get(f"jobs/{middle}").text
    assert '<details id="fold-args"><summary' in page
    page = http.get(f"jobs/{large}").text
    assert "x" * 100 not in page
    assert f'href="../jobs/{large}/args"' in page
    assert "x" * 20_000 in http.get(f"jobs/{large}/args").text


@pytest.mark.alone
def test_15_megabytes_of_arguments_cost_the_page_nothing_and_are_shown_in_part(http: httpx.Client, sql: Sql) -> None:
    sql.rows("update setting set max_args_bytes = 16777216")
    made = "select jsonb_object_agg('key' || n, repeat(md5(n::text), 10)) from generate_series(1, 45000) n"
    id = sql.value(f"select enqueue('noop', ({made}))")
    began = time.monotonic()
    page = http.get(f"jobs/{id}")
    assert time.monotonic() - began < 2
    assert len(page.content) < 50_000
    alone = http.get(f"jobs/{id}/args")
    assert alone.status_code == 200
    assert len(alone.content) < 2_000_000
    assert "44,000 more" in alone.text
    whole = http.get(f"jobs/{id}/args.json")
    assert whole.headers["content-disposition"] == f'attachment; filename="job-{id}-args.json"'
    assert whole.headers["content-type"] == "application/json"
    assert len(whole.content) > 14_000_000
    assert len(json.loads(whole.content)) == 45_000
    assert http.get(f"jobs/{id}/errors.json").status_code == 404


def test_secrets_are_left_out_everywhere(http: httpx.Client, sql: Sql) -> None:
    id, token = sql.running(args={"password": "hunter2", "n": 1}, meta=json.dumps({"api_key": "hunter2"}))
    sql.finish(token, {"id": id, "state": "succeeded", "result": {"token": "hunter2"}})
    for path in ("", "/args", "/result", "/meta", "/args.json", "/result.json", "/meta.json"):
        answer = http.get(f"jobs/{id}{path}")
        assert answer.status_code == 200
        assert "hunter2" not in answer.text
        assert "[redacted]" in answer.text


def test_a_viewer_without_the_right_sees_no_arguments_and_no_act(app: PgQueue, sql: Sql) -> None:
    id, token = sql.running(args={"name": "ann-marie"})
    error = {"type": "E", "types": ["E"], "message": "ann-marie", "traceback": "ann-marie"}
    sql.finish(token, {"id": id, "state": "failed", "final": True, "elapsed": 0.1, "error": error})
    with seen_by(app, Viewer("eve", may_read_arguments=False)) as client:
        for path in ("", "/args", "/args.json", "/result", "/meta"):
            answer = client.get(f"/jobs/{id}{path}")
            assert answer.status_code == 200
            assert "ann-marie" not in answer.text
        page = client.get(f"/jobs/{id}").text
        assert "You may not read arguments" in page
        assert 'method="post"' not in page
        assert "Enqueue again" not in page
        assert client.post(f"/jobs/{id}/discard", data={}).status_code == 403


def test_a_job_of_a_queue_that_is_not_ones_own_is_not_there(app: PgQueue, sql: Sql) -> None:
    theirs, own = sql.enqueue(queue="secret"), sql.enqueue(queue="mail")
    with seen_by(app, Viewer("eve", queues=["mail"])) as client:
        assert client.get(f"/jobs/{own}").status_code == 200
        for path in ("", "/log", "/args", "/result", "/args.json"):
            assert client.get(f"/jobs/{theirs}{path}").status_code == 404, path


def test_what_is_around_a_job_is_linked(http: httpx.Client, sql: Sql) -> None:
    flow = start(sql, node("a"), node("join", "a"), *(node(f"c{n}", "join") for n in range(25)))
    page = http.get(f"jobs/{flow['join']}").text
    assert f'href="../jobs/{flow["a"]}"' in page
    assert f'href="../workflows/{flow.id}"' in page
    assert len(re.findall(r'<tr id="children-', page)) == 20
    assert "There are more" in page


def test_steps_signals_schedule_retries_and_trace_are_told(http: httpx.Client, sql: Sql) -> None:
    id, token = sql.running()
    sql.value("select save_step(%s, %s, %s, '{\"paid\": 1}', 0.1)", id, token, HOSTILE)
    sql.value("select signal(%s, 'approved', '{\"by\": \"ann\"}')", id)
    sql.rows(
        "update job set terms = '{\"schedule\": \"nightly\", \"timeout\": 600, \"trace\": "
        "{\"traceparent\": \"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"}}' where id = %s", id,
    )  # fmt: skip
    page = http.get(f"jobs/{id}").text
    assert 'href="../schedules/nightly"' in page
    assert "4bf92f3577b34da6a3ce929d0e0e4736" in page
    assert "approved" in page
    assert "<script>alert" not in page
    assert "/stacks" in page


def test_a_job_and_what_runs_it_again_know_each_other(http: httpx.Client, sql: Sql) -> None:
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "succeeded"})
    again = sql.value("select id from retry(%s, 'ann')", id)
    assert f'href="../jobs/{id}"' in http.get(f"jobs/{again}").text
    page = http.get(f"jobs/{id}").text
    assert f'href="../jobs/{again}"' in page
    assert "ann: retry" in text_of(page)


def test_the_last_lines_are_on_the_page_and_all_of_them_on_their_own(http: httpx.Client, sql: Sql) -> None:
    id, token = sql.running()
    worker = sql.value("select worker_id from job where id = %s", id)
    lines = [{"n": n, "ago": 0, "level": "info", "message": f"{HOSTILE} no {n}."} for n in range(1, 301)]
    sql.rows("select add_log(%s, %s)", worker, json.dumps([{"id": id, "token": str(token), "attempt": 1, "lines": lines}]))
    page = http.get(f"jobs/{id}").text
    assert page.index("no 101.") < page.index("no 300.")
    assert "no 100." not in page
    assert "<script>alert" not in page
    assert "no 1." in http.get(f"jobs/{id}/log").text


@pytest.mark.parametrize("path", ["jobs/999999", "jobs/999999/log", "jobs/999999/args", "jobs/99999999999999999999", "jobs/0"])
def test_a_job_that_is_not_there_is_a_page_that_says_so(http: httpx.Client, path: str) -> None:
    answer = http.get(path, headers={"Accept": "text/html"})
    assert answer.status_code in (404, 422), answer.text
    assert "<main" in answer.text
