"""Hostile texts on their way in: through Python, through SQL."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.errors import ConfigurationError, InvalidArgument, PgQueueError
from pgqueue.worker import WorkerOptions
from tests.looking import Look

from .conftest import LONG, TEXTS, UNSTORABLE, by_name, named

unstorable = pytest.mark.parametrize("text", UNSTORABLE.values(), ids=UNSTORABLE.keys())

# Through Python.


@by_name
def test_python_stores_a_hostile_text_as_it_is(app: PgQueue, look: Look, text: str) -> None:
    document = {text: [text, {text: text}]}
    job = named(app, text).using(meta=document).enqueue(document)
    (many,) = app.tasks[text].enqueue_many([(document,)])
    for id in (job.id, many.id):
        row = look.job(id)
        assert (row["task"], row["args"]) == (text, {"text": document})
    assert look.job(job.id)["meta"] == document
    assert app.job(job.id).row["args"] == {"text": document}


@unstorable
def test_python_refuses_text_that_postgresql_cannot_hold_and_names_the_field(app: PgQueue, look: Look, text: str) -> None:
    task = named(app, "fine")
    attempts: dict[str, Callable[[], object]] = {
        "args": lambda: task.enqueue(text),
        "args: ": lambda: task.enqueue_many([({text: 1},)]),
        "queue": lambda: task.using(queue=text),
        "task": lambda: named(app, text),
        "name": lambda: WorkerOptions(name=text),
        "queues": lambda: WorkerOptions(queues=((text, 1.0),)),
        "(meta|args)": lambda: task.using(meta=text).enqueue(),
    }
    for field, attempt in attempts.items():
        with pytest.raises(InvalidArgument, match=f"^{field}"):
            attempt()
    assert look.live() == 0


def test_python_refuses_what_is_too_long(app: PgQueue, look: Look) -> None:
    for field, attempt in {
        "task": named(app, LONG).enqueue,
        "queue": lambda: named(app, "fine").using(queue=LONG).enqueue(),
    }.items():
        with pytest.raises(InvalidArgument, match=f"^{field}: 'x+' is not valid; use 1 to ") as error:
            attempt()
        assert len(str(error.value)) < 400
    with pytest.raises(ConfigurationError, match="schema_name"):
        PgQueue("postgresql://", schema=LONG)
    assert look.live() == 0


@by_name
def test_a_queue_has_no_hostile_name(app: PgQueue, look: Look, text: str) -> None:
    if text in ("os.system", "this:s", "null"):
        assert look.job(named(app, "fine").using(queue=text).enqueue().id)["queue"] == text
        return
    with pytest.raises(InvalidArgument, match=r"(?s)^queue: .* is not valid; use 1 to 100 letters"):
        named(app, "fine").using(queue=text).enqueue()


@pytest.mark.parametrize("number", [10**5000, -(10**5000), 2**70], ids=["long", "negative", "wide"])
def test_a_huge_integer_is_refused_or_comes_back_the_same(app: PgQueue, look: Look, number: int) -> None:
    refusal = ""
    try:
        named(app, "fine").enqueue(number)
    except InvalidArgument as error:
        refusal = str(error)
    assert look.live() == (0 if refusal.startswith("args: ") else 1)
    assert refusal or look.rows("select args from job") == [{"args": {"text": number}}]


def test_nesting_without_end_is_refused_in_python(app: PgQueue, look: Look) -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    task = named(app, "fine")
    attempts: dict[str, Callable[[], object]] = {
        "args": lambda: task.enqueue(deep),
        "meta": lambda: task.using(meta=deep).enqueue(),
    }
    for field, attempt in attempts.items():
        with pytest.raises(InvalidArgument, match=f"^{field}: "):
            attempt()
    assert look.live() == 0


def test_numbers_out_of_all_ranges_are_refused(app: PgQueue, look: Look) -> None:
    task = named(app, "fine")
    attempts: list[Callable[[], Any]] = [
        lambda: app.cancel(10**30),
        lambda: app.retry(-(10**30)),
        lambda: app.job(10**30).refresh(),
        lambda: app.job("1; drop table job").refresh(),  # type: ignore[arg-type]
        lambda: task.using(priority=10**30).enqueue(),
        lambda: task.using(run_after=1e300).enqueue(),
        lambda: task.using(run_after=float("nan")).enqueue(),
        lambda: task.using(retry=10**30).enqueue(),
        lambda: task.using(result_ttl=float("inf")).enqueue(),
    ]
    for attempt in attempts:
        with pytest.raises((PgQueueError, psycopg.DataError)):
            attempt()
    assert look.live() == 0


# Through SQL.


@by_name
def test_sql_stores_a_hostile_text_as_it_is(look: Look, text: str) -> None:
    document = json.dumps({text: [text]})
    id = look.value("select enqueue(%s, %s::jsonb, meta => %s::jsonb)", text, document, document)
    row = look.job(id)
    assert (row["task"], row["args"], row["meta"]) == (text, {text: [text]}, {text: [text]})
    (many,) = look.value("select enqueue_many(%s, jsonb_build_array(%s::jsonb))", text, document)
    assert look.job(many)["args"] == {text: [text]}


@pytest.mark.parametrize(
    "document",
    ['{"x": "\\u0000"}', '{"\\u0000": 1}', '{"x": "\\ud800"}', '{"x": 1e999999}', '{"x": NaN}', '{"x": 1', "[]", "null", '"x"'],
)
def test_sql_refuses_what_is_no_json_object(look: Look, document: str) -> None:
    with pytest.raises(psycopg.Error):
        look.value("select enqueue('fine', %s::jsonb)", document)
    assert look.live() == 0


def test_sql_names_the_field_and_cuts_the_value(look: Look) -> None:
    for field, call in {"task": "enqueue(%s)", "queue": "enqueue('fine', queue => %s)"}.items():
        with pytest.raises(psycopg.Error, match=f"^{field}: 'x+' is not valid; use 1 to ") as error:
            look.value(f"select {call}", LONG)
        assert error.value.sqlstate == "PQ001"
        assert len(error.value.diag.message_primary or "") < 400


@by_name
def test_a_worker_and_its_errors_may_say_anything(look: Look, text: str) -> None:
    worker, token = uuid.uuid4(), uuid.uuid4()
    look.value("select register_worker(%s, %s, %s, 1, %s, %s, 1, '30 s')", worker, text, text, text, [text])
    assert look.rows("select name, host, version, queues from worker_status") == [
        {"name": text, "host": text, "version": text, "queues": [text]}
    ]
    id = look.value("select enqueue(%s)", text)
    assert look.value("select count(*) from claim(%s, %s, %s, 5)", worker, token, [text, "default"]) == 1
    error = {"type": text, "types": [text], "message": text, "traceback": text}
    finish = [{"id": id, "token": str(token), "state": "failed", "final": True, "error": error}]
    look.value("select finish(%s::jsonb)", json.dumps(finish))
    (dead,) = look.rows("select error_type, error_message, traceback from dead_letters")
    assert dead == {"error_type": text, "error_message": text, "traceback": text}


def test_states_verbs_and_policies_are_no_code(look: Look) -> None:
    for text in TEXTS.values():
        with pytest.raises(psycopg.Error, match="is not valid"):
            look.value("select finish(%s::jsonb)", json.dumps([{"id": 1, "token": str(uuid.uuid4()), "state": text}]))
        with pytest.raises(psycopg.Error, match="is not valid"):
            look.value("select enqueue('fine', retry => %s::jsonb)", json.dumps({"backoff": text}))
    assert look.live() == 0
