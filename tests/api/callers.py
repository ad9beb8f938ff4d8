"""The API as a caller without all rights sees it."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.api import create_app, door
from pgqueue.api.callers.caller import Caller, Role
from tests.api.serving import served


@contextmanager
def calling(
    app: PgQueue,
    patch: pytest.MonkeyPatch,
    role: Role = "admin",
    queues: frozenset[str] | None = None,
    may_read_arguments: bool = True,
    key_id: str | None = "k1",
) -> Iterator[httpx.Client]:
    """A client whose key has this role, whatever the door says; the door is tested elsewhere."""

    async def enter(*_: object) -> Caller:
        return Caller("deploy", role, "127.0.0.1", key_id, queues, may_read_arguments)

    with patch.context() as patched:
        patched.setattr(door, "enter", enter)
        with served(create_app(app)) as url, httpx.Client(base_url=f"{url}/api/v1", timeout=20) as client:
            yield client
