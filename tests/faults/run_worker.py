"""`python -m tests.faults.run_worker`: one worker with exactly the options a test wants."""

import argparse
import asyncio
import logging

from pgqueue.worker import Worker, WorkerOptions
from tests.faults.tasks import app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--concurrency", type=int, default=25)
    parser.add_argument("--grace", type=float, default=5.0)
    parser.add_argument("--burst", type=int, default=0)
    parser.add_argument("--name", default=None)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    options = WorkerOptions(concurrency=given.concurrency, grace=given.grace, burst=bool(given.burst), name=given.name)
    asyncio.run(Worker(app, options).run())


if __name__ == "__main__":
    main()
