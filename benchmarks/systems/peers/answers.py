"""The producer's side of the protocol that benchmarks/peers.py describes; pure standard library."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TextIO


def serve(many: Callable[[int], object], one: Callable[[float], object]) -> None:
    """Answer until stdin is closed: `many` enqueues so many jobs, `one` a job with a time that its handler records."""
    answers = _own_stdout()
    for line in sys.stdin:
        request = json.loads(line)
        start = time.perf_counter()
        if "many" in request:
            many(request["many"])
        elif "sent_at" in request:
            one(_now(request))
        _answer(answers, start)


async def serve_async(many: Callable[[int], Awaitable[object]], one: Callable[[float], Awaitable[object]]) -> None:
    """The same for calls that are awaited."""
    answers = _own_stdout()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        request = json.loads(line)
        start = time.perf_counter()
        if "many" in request:
            await many(request["many"])
        elif "sent_at" in request:
            await one(_now(request))
        _answer(answers, start)


def _now(request: dict[str, float]) -> float:
    """The time to send: this process's own, so that the way of the request is not counted.

    0 stays 0, and what is negative is no time but the number of a job.
    """
    return time.time() if request["sent_at"] > 0 else request["sent_at"]


def _own_stdout() -> TextIO:
    """The pipe for answers; whatever a library prints goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _answer(answers: TextIO, start: float) -> None:
    answers.write(json.dumps({"seconds": time.perf_counter() - start}) + "\n")
    answers.flush()
