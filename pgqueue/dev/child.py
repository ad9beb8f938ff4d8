"""A process of `pgqueue dev`: `python -m pgqueue.dev.child`, which reads from a pipe what to do, and ends when the pipe closes.

A worker loads its app and brings the schema up to date before it begins: code that cannot be loaded is told like any error.
"""

import logging
import os
import signal
import sys
import threading

import psycopg

from .. import logs
from ..cli.failures import FAILED, complain, crash, exit_code
from ..cli.secrets import begin
from ..cli.serve import serve
from ..errors import PgQueueError
from ..worker.launch import load_with_logs, run
from .orders import Orders


def main() -> int:
    """Do what is asked for; the exit code."""
    begin(False)
    orders = _listen()
    try:
        if orders.kind == "worker":
            _prepare(orders)
            return run(orders.launch)
        launch = orders.launch
        serve(
            launch.target, port=orders.port, log_format=logs.Format.console, log_level=launch.log_level,
            database_url=launch.database_url, schema=launch.schema,
        )  # fmt: skip
    except (PgQueueError, psycopg.Error, UnicodeError) as error:
        complain(error)
        return exit_code(error)
    except Exception as error:  # of the code that is being written
        crash(error)
        return FAILED
    return 0


def _prepare(orders: Orders) -> None:
    from ..migrate import migrate  # here, because the server has no use for it

    app = load_with_logs(orders.launch)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # each start would say that there is nothing to do
    migrate(app.url, app.settings.schema_name)
    if orders.ready is not None:
        os.write(orders.ready, b".")
        os.close(orders.ready)


def _listen() -> Orders:
    orders = Orders.from_json(sys.stdin.buffer.readline())
    pipe = os.dup(sys.stdin.fileno())
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())  # handlers get an empty stdin
    threading.Thread(target=_end_with, args=(pipe,), name="pgqueue-dev", daemon=True).start()
    return orders


def _end_with(pipe: int) -> None:
    os.read(pipe, 1)  # nothing is ever written: read returns when `pgqueue dev` is gone
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
