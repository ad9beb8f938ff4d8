"""A script for the version before: `FOLDER install URL`, or `FOLDER produce URL`, which answers as benchmarks/peers.py says."""

from __future__ import annotations

import asyncio
import json
import sys
import time

sys.path[0] = sys.argv[1]  # in place of the folder of this script: its packages come before those of this checkout

from benchmarks.systems.pgqueue import SYSTEM  # noqa: E402


async def _produce(url: str) -> None:
    """One line of JSON is one call; the line back says how long it took."""
    async with SYSTEM.producer(url) as producer:
        while line := await asyncio.to_thread(sys.stdin.readline):
            call = json.loads(line)
            start = time.perf_counter()
            if "many" in call:
                await producer.enqueue_many(call["many"])
            elif "sent_at" in call:
                await producer.enqueue(time.time() if call["sent_at"] > 0 else call["sent_at"])
            print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    asyncio.run(SYSTEM.install(sys.argv[3]) if sys.argv[2] == "install" else _produce(sys.argv[3]))
