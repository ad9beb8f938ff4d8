"""Tasks: names, JSON schema of arguments, options."""

from typing import Annotated, Literal

import httpx
from pydantic import BaseModel, Field

from pgqueue import PgQueue
from pgqueue.api.bodies.tasks import TaskDetail, TasksOut
from tests.api.keyed import client_of, key_of
from tests.api.shapes import read
from tests.sql.conftest import Sql


class Address(BaseModel):
    city: str
    password: str = "geheim"


class NotStored:
    """A default that has no JSON form."""


def test_a_task_tells_the_schema_of_its_arguments_and_its_options(app: PgQueue, api: httpx.Client) -> None:
    @app.task(queue="mail", retry=7, timeout=30, priority="high", unique="until_done", limits=["tenant:{to}"])
    def send_mail(
        to: str,
        lang: Literal["en", "de"] = "en",
        note: Annotated[str | None, Field(description="as written", max_length=9)] = None,
    ) -> None:
        """Send a mail,
        once.

        It is sent by the server of the house.

        Args:
            to: who gets it,
                by address
            note: not shown, because the hint says it better
        """

    found = read(api.get("/tasks/send_mail"), TaskDetail)
    assert (found.summary, found.is_known, found.queue) == ("Send a mail, once.", True, "mail")
    assert found.options is not None
    assert (found.options.retries, found.options.timeout, found.options.priority) == (7, 30, 50)
    assert (found.options.unique, found.options.limits) == ("until_done", ["tenant:{to}"])
    schema = found.arguments
    assert schema is not None
    assert (schema["required"], list(schema["properties"])) == (["to"], ["to", "lang", "note"])
    assert schema["properties"]["to"]["description"] == "who gets it, by address"
    assert (schema["properties"]["lang"]["enum"], schema["properties"]["lang"]["default"]) == (["en", "de"], "en")
    assert schema["properties"]["note"]["description"] == "as written"


def test_the_defaults_of_secrets_are_not_told_and_their_types_are(app: PgQueue, api: httpx.Client) -> None:
    @app.task
    def connect(api_key: str = "abc", at: Address = Address(city="Bern"), url: str = "pg://u:hidden@h") -> None: ...  # noqa: B008

    answer = api.get("/tasks/connect")
    schema = answer.json()["arguments"]
    assert schema["properties"]["api_key"]["type"] == "string"
    assert schema["$defs"]["Address"]["properties"]["password"]["type"] == "string"
    assert not [secret for secret in ("abc", "geheim", "hidden") if secret in answer.text]


def test_a_default_without_a_json_form_is_left_out_and_the_task_is_told_all_the_same(app: PgQueue, api: httpx.Client) -> None:
    @app.task
    def odd(n: int = NotStored(), m: int = 2) -> None: ...  # type: ignore[assignment]

    properties = api.get("/tasks/odd").json()["arguments"]["properties"]
    assert "default" not in properties["n"]
    assert properties["m"]["default"] == 2


def test_tasks_of_workers_are_listed_by_name_and_any_name_is_answered(app: PgQueue, api: httpx.Client, sql: Sql) -> None:
    @app.task
    def own() -> None: ...

    worker = sql.worker()
    sql.rows("update worker set tasks = '{theirs, own}' where id = %s", worker)
    found = read(api.get("/tasks"), TasksOut)
    assert [(one.name, one.is_known) for one in found.items] == [("own", True), ("theirs", False)]
    nobodys = read(api.get("/tasks/a/b%20c"), TaskDetail)
    assert (nobodys.name, nobodys.is_known, nobodys.arguments, nobodys.options) == ("a/b c", False, None, None)


def test_a_key_for_some_queues_is_told_of_no_task_of_others(app: PgQueue, base_url: str, sql: Sql) -> None:
    @app.task(queue="mail")
    def send() -> None: ...

    @app.task(queue="payroll")
    def pay(account: str = "CH93 0076") -> None:
        """Pay somebody."""

    sql.rows("update worker set tasks = '{theirs}', queues = '{payroll}' where id = %s", sql.worker())
    sql.rows("update worker set tasks = '{ours}', queues = '{mail,other}' where id = %s", sql.worker())
    with client_of(base_url, key_of(app, queues=["mail"])) as bound, client_of(base_url, key_of(app)) as other:
        assert [one["name"] for one in bound.get("/tasks").json()["items"]] == ["ours", "send"]
        assert [one["name"] for one in other.get("/tasks").json()["items"]] == ["ours", "pay", "send", "theirs"]
        hidden = bound.get("/tasks/pay")
        assert (hidden.status_code, hidden.json()["is_known"], hidden.json()["arguments"]) == (200, False, None)
        assert "0076" not in hidden.text
        assert "somebody" not in hidden.text
        assert other.get("/tasks/pay").json()["summary"] == "Pay somebody."
