"""A key that may not read results gets none by a job behind another one."""

import uuid
from typing import Any

import pytest

from pgqueue import PgQueue
from tests.looking import Look

from .keyed import client_of, key_of


@pytest.mark.parametrize(
    ("key", "withheld"),
    [({"role": "producer"}, True), ({"role": "admin", "may_read_arguments": False}, True), ({"role": "admin"}, False)],
    ids=["producer", "without arguments", "reader"],
)
@pytest.mark.parametrize("how", ["one", "batch", "once"])
def test_a_child_gets_the_result_of_a_parent_as_far_as_its_key_may_read_it(
    app: PgQueue, base_url: str, look: Look, how: str, key: dict[str, Any], withheld: bool
) -> None:
    with client_of(base_url, key_of(app)) as admin:
        parent = admin.post("/jobs", json={"task": "theirs"}).json()["id"]
    with client_of(base_url, key_of(app, **key)) as client:
        body = {"task": "send", "depends_on": [parent]}
        match how:
            case "one":
                sent = client.post("/jobs", json=body)
            case "batch":
                sent = client.post("/jobs/batch", json={"jobs": [body]})
            case _:
                sent = client.post("/jobs", json=body, headers={"Idempotency-Key": uuid.uuid4().hex})
        assert sent.status_code == 201

    assert look.rows("select withheld from workflow_edge where parent_id = %s", int(parent)) == [{"withheld": withheld}]


def test_a_child_of_the_key_that_has_added_the_parent_as_a_node_gets_its_result(app: PgQueue, base_url: str, look: Look) -> None:
    with client_of(base_url, key_of(app, role="producer")) as mine, client_of(base_url, key_of(app, role="producer")) as other:
        made = mine.post("/workflows", json={"nodes": [{"name": "a", "task": "fetch"}]})
        assert made.status_code == 201
        parent = made.json()["nodes"][0]["id"]
        children = [client.post("/jobs", json={"task": "send", "depends_on": [parent]}).json()["id"] for client in (mine, other)]

    rows = look.rows("select withheld from workflow_edge where child_id = any (%s) order by child_id", [*map(int, children)])
    assert rows == [{"withheld": False}, {"withheld": True}]
