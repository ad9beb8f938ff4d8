"""The header Idempotency-Key: a request that comes again adds nothing, and is answered as it was the first time.

The jobs and the memory of them are one transaction of the database, see sql/functions/requests/enqueue_once.sql. A request that
was refused leaves nothing behind.
"""

import hashlib
from typing import Annotated

from fastapi import Header
from starlette.requests import Request

from ...database.call import Call
from ...database.calls import requests as calls
from ...database.calls.requests import Once
from ..here import Here
from ..problems import Problem, invalid

LONGEST = 255  # characters of a key
REPLAYED = {"Idempotency-Replayed": "true"}
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="a text of yours, new for each new request: sent again with it within 24 hours, the request adds nothing "
        "and is answered as before. Keys of different API keys have nothing to do with each other.",
        examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
    ),
]


async def once(here: Here, request: Request, key: str, jobs: list[str]) -> Call[Once]:
    """The call that enqueues these jobs, each a JSON object as enqueue_many takes it, unless this request has done so before.

    Raises:
        Problem: the key is no valid one.
    """
    if not (key.isascii() and key.isprintable() and 0 < len(key) <= LONGEST):
        raise invalid("Idempotency-Key", key, f"use 1 to {LONGEST} printable ASCII characters, for example a UUID")
    said = f"{request.method} {here.endpoint.path}\n".encode()
    digest = hashlib.sha256(said + await request.body()).digest()
    return calls.enqueue_once(here.caller.key_id or "", key, digest, jobs)


def headers_of(done: Once) -> dict[str, str]:
    """The headers of the answer.

    Raises:
        Problem: the first request still runs, or was another one.
    """
    match done.said:
        case "running":
            raise Problem("still-running", "the first request with this Idempotency-Key has not ended", {"Retry-After": "1"})
        case "other":
            raise Problem("key-reused", "Idempotency-Key: another method, path or body came with it in the last 24 hours")
        case "repeated":
            return REPLAYED
    return {}
