"""`python -m pgqueue.http_worker module:app --url http://…`: a worker that reaches its queue over the REST API."""

import argparse
import asyncio
import logging
import os
import sys

from .._text import one_line
from ..errors import PgQueueError
from ..worker import WorkerOptions
from ..worker.launch import Launch, load_with_logs

_KEY = "an API key; other users of the machine see options in `ps`: better leave it to $PGQUEUE_API_KEY"


def main(arguments: list[str] | None = None) -> int:
    """Run a worker until a signal; the exit code."""
    given = _parser().parse_args(arguments)
    try:
        from .worker import HttpWorker, HttpWorkerOptions
    except ModuleNotFoundError as error:
        print(f"pgqueue: {error.name} is missing: pip install 'pgqueue-native[http-worker]'", file=sys.stderr)
        return 2
    queues = tuple(filter(None, given.queues.split(",")))
    try:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it has a line for each request
        app = load_with_logs(Launch(given.app, WorkerOptions()))
        options = HttpWorkerOptions(given.url, given.key, queues, given.concurrency, given.lease, given.grace, given.name)
        asyncio.run(HttpWorker(app, options).run())
    except PgQueueError as error:
        print(one_line(f"pgqueue: {error}"), file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m pgqueue.http_worker", description="Run jobs over the REST API.")
    parser.add_argument("app", metavar="MODULE:APP", help="location of the PgQueue object")
    url = os.environ.get("PGQUEUE_API_URL", "http://127.0.0.1:8000")
    parser.add_argument("--url", default=url, help="of the server; $PGQUEUE_API_URL or http://127.0.0.1:8000 by default")
    parser.add_argument("--key", default=os.environ.get("PGQUEUE_API_KEY"), help=_KEY)
    parser.add_argument("--queues", default="", metavar="LIST", help="by default all queues of the app's tasks")
    parser.add_argument("--concurrency", type=int, default=10, metavar="N", help="jobs that run at once")
    parser.add_argument(
        "--lease", type=float, default=30, metavar="SECONDS", help="after which its jobs run elsewhere if it dies"
    )
    parser.add_argument("--grace", type=float, default=30, metavar="SECONDS", help="for running handlers when it stops")
    parser.add_argument("--name", default=None, help="shown in lists of workers")
    return parser


if __name__ == "__main__":
    sys.exit(main())
