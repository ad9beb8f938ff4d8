"""The document says what is answered: each answer fits its model, with no name too many."""

import json
from inspect import isclass
from typing import Any, get_args, get_type_hints

import httpx
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from pgqueue import PgQueue
from pgqueue.api import create_app
from pgqueue.api.exact import read
from pgqueue.api.routes import ALL, enqueue, jobs, operations, results
from tests.sql.conftest import Sql

OURS = [endpoint for noun in (enqueue, jobs, results, operations) for endpoint in noun.endpoints.all]


def models(endpoint: Any) -> Any:
    return endpoint.options.get("model")


def strictly(model: type[BaseModel], answer: Any) -> None:
    """The answer fits the model, and each of its names stands there."""
    made = TypeAdapter(model).validate_python(answer)
    assert json.loads(made.model_dump_json(exclude_unset=True)).keys() == answer.keys()


def test_every_answer_fits_its_model(api: httpx.Client, sql: Sql) -> None:
    ended, token = sql.running(args={"to": 1}, meta="1")
    sql.finish(token, {"id": ended, "state": "succeeded", "result": 1})
    dead, token = sql.running(retries=0)
    sql.finish(token, {"id": dead, "state": "failed", "reason": "error", "error": {"type": "E", "message": "m"}})
    running, token = sql.running()
    sql.value("select save_step(%s, %s, 'charge', '1', 0.1)", running, token)
    waiting = sql.enqueue(fair="tenant:1", expires_after="1 h", total_timeout="1 h", queue="held")
    sql.value("select signal(%s, 'told', '1')", waiting)
    sql.value("select pause('queue', 'held')")
    operation = api.post("/operations", json={"kind": "cancel", "all": True, "dry_run": True}).json()["id"]
    places = {"operation_id": [operation], "job_id": [ended, dead, running, waiting]}
    seen = set()
    for endpoint in OURS:
        if endpoint.method == "GET":
            name = "operation_id" if "operation_id" in endpoint.path else "job_id"
            asked = {"kind": "cancel", "all": "true"} if endpoint.path == "/operations/preview" else {"count": "bounded"}
            for id in places[name]:
                answer = api.get(endpoint.path.replace(f"{{{name}}}", str(id)), params=asked)
                assert answer.status_code == 200, answer.text
                strictly(models(endpoint), answer.json())
            seen.add(endpoint.path)
    assert len(seen) == 12


def test_the_document_has_every_endpoint_with_its_refusals(app: PgQueue) -> None:
    document = create_app(app).openapi()
    for endpoint in OURS:
        said = document["paths"][f"/api/v1{endpoint.path}"][endpoint.method.lower()]
        assert {"401", "403", "422"} <= said["responses"].keys()
        assert {str(status) for status in endpoint.refuses} <= said["responses"].keys()
        assert said["description"] or said["summary"]
    names = {parameter["name"] for parameter in document["paths"]["/api/v1/jobs"]["get"]["parameters"]}
    assert {"state", "queue", "limit", "cursor", "view", "count"} <= names
    headers = {parameter["name"] for parameter in document["paths"]["/api/v1/jobs"]["post"]["parameters"]}
    assert "Idempotency-Key" in headers


@pytest.mark.parametrize("endpoint", OURS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_every_path_of_jobs_honours_the_queues_of_a_key(endpoint: Any) -> None:
    assert endpoint.is_bound
    assert endpoint.may >= {"admin"}


def _models(type: Any, found: set[Any]) -> set[Any]:
    """The models of a type, and of their fields."""
    if isclass(type) and issubclass(type, BaseModel) and type not in found:
        found.add(type)
        for name in type.model_fields:
            _models(get_type_hints(type, include_extras=True)[name], found)
    for part in get_args(type):
        _models(part, found)
    return found


def _parts(type: Any) -> set[Any]:
    """The types of a union; otherwise the type itself."""
    return set(get_args(type)) or {type}


def _of_bodies() -> set[Any]:
    """The models of what is sent as a body: those of queries are read from texts."""
    found = set[Any]()
    for endpoint in ALL:
        hints = get_type_hints(endpoint.handler, include_extras=True)
        _models(hints.get("body"), found)
    return found


def _errors(model: type[BaseModel], field: str, document: bytes) -> set[str]:
    """The kinds of errors of this field with this JSON."""
    try:
        model.model_validate({field: read(document)})
    except ValidationError as error:
        return {one["type"] for one in error.errors() if one["loc"][0] == field}
    return set()


def test_a_number_is_a_number_however_it_is_written_and_nothing_else_is() -> None:
    """1e0 and 1.0 are the same number, though numbers of users keep their text; texts, true and false are no numbers."""
    checked = set[str]()
    for model in _of_bodies():
        for name in model.model_fields:
            kinds = _parts(get_type_hints(model)[name])
            if name == "id" or not kinds & {int, float} or _errors(model, name, b"1"):  # an id is a text, too
                continue
            checked.add(f"{model.__name__}.{name}")
            assert not _errors(model, name, b"1e0"), f"{model.__name__}.{name}"
            assert _errors(model, name, b"true"), f"{model.__name__}.{name}"
    assert {"Registration.concurrency", "BulkIn.per_second", "KeyIn.expires_after", "CallIn.timeout", "Snooze.delay"} <= checked
    assert len(checked) > 50
