"""A web application that enqueues and waits for the result, for WSGI and for ASGI; test_servers.py runs it under servers."""

import json
import os
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from pgqueue import PgQueue
from pgqueue.database import Call

Message = MutableMapping[str, Any]
BACKEND: Call[int] = Call("select pg_backend_pid()", (), lambda rows: int(rows[0][0]))
TIMEOUT = 30.0

app = PgQueue()


@app.task
def double(number: int) -> int:
    """Runs in the worker of the test."""
    return 2 * number


def _answer(number: int) -> dict[str, Any]:
    result = double.enqueue(number).result(timeout=TIMEOUT)
    return {"pid": os.getpid(), "backend": app.database.run(BACKEND), "result": result}


async def _aanswer(number: int) -> dict[str, Any]:
    job = await double.aenqueue(number)
    result = await job.aresult(timeout=TIMEOUT)
    return {"pid": os.getpid(), "backend": await app.async_database.run(BACKEND), "result": result}


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """GET /<number>: its double."""
    answer = _answer(int(environ["PATH_INFO"].strip("/")))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


async def asgi(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    """GET /<number>: its double."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await app.aclose()
        await send({"type": "lifespan.shutdown.complete"})
        return
    answer = await _aanswer(int(scope["path"].strip("/")))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


if os.environ.get("SHOP_WARM"):  # the process that loads the application uses it before it forks
    _answer(0)
