"""Cursors of lists, whatever the list is of."""

from base64 import urlsafe_b64encode
from inspect import signature

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.api.bodies import pages
from pgqueue.api.endpoint import Endpoint
from pgqueue.api.routes import ALL
from tests.api.stock import stock

MARK = "0" * 12
IN_PATH = {"{job_id}": "3", "{workflow_id}": "1", "{name}": "nightly"}
PARTS = (
    "[]", "5", "{", "null", "[" * 5000, '["x"]', '["-1"]', '["9223372036854775808"]', '["1e400"]', '["2030-01-01Z"]',
    '["\\u0000"]', '["x", "y"]', '["2030-01-01Z", 5]', '["2030-01-01Z", "1e400"]', '["infinity", "x", "y"]', '["x", "y", "z"]',
)  # fmt: skip


def _lists() -> list[Endpoint]:
    """The endpoints that answer a page."""
    found = []
    for endpoint in ALL:
        types = signature(endpoint.handler).parameters.values()
        fields = {name for one in types for name in getattr(getattr(one.annotation, "__origin__", None), "model_fields", ())}
        if endpoint.method == "GET" and "cursor" in fields | set(signature(endpoint.handler).parameters):
            found.append(endpoint)
    return found


def test_a_cursor_that_somebody_has_made_up_is_no_error_of_the_server(
    app: PgQueue, api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is bound to its list, not secret: whoever knows how it is made can write anything into it."""
    stock(app)
    monkeypatch.setattr(pages, "_digest", lambda of: MARK)
    lists = _lists()
    assert len(lists) >= 15
    for endpoint in lists:
        path = endpoint.path
        for name, value in IN_PATH.items():
            path = path.replace(name, value)
        assert api.get(path).status_code == 200, f"{path}: the stock has none, so that no cursor is read"
        for part in PARTS:
            cursor = urlsafe_b64encode(f"{MARK}{part}".encode()).decode().rstrip("=")[:2000]
            answer = api.get(path, params={"cursor": cursor})
            assert answer.status_code in (200, 422), f"{path} {part}: {answer.text}"
