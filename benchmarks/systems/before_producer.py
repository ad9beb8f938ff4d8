"""A script that is run with the version before on PYTHONPATH: `install URL`, or `produce URL`, which reads calls from stdin."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from benchmarks.systems.pgqueue import SYSTEM


async def _produce(url: str) -> None:
    """One line of JSON is one call; the line back says that it has been accepted."""
    async with SYSTEM.producer(url) as producer:
        while line := await asyncio.to_thread(sys.stdin.readline):
            call = json.loads(line)
            if "many" in call:
                await producer.enqueue_many(call["many"])
            elif "row" in call:
                await producer.insert_row()
            else:
                await producer.enqueue(time.time() if call["timed"] else 0.0)
            print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(SYSTEM.install(sys.argv[2]) if sys.argv[1] == "install" else _produce(sys.argv[2]))
