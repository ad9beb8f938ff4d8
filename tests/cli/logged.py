"""An app whose handlers log: `tests.cli.logged:app`."""

import logging
import sys

from pgqueue import PgQueue

app = PgQueue(redact=["+iban"])


@app.task(executor="process")
def say(iban: str) -> None:
    """A line from a process."""
    logging.getLogger("shop").warning("iban: %s", iban)


@app.task(retry=0)
async def fail() -> None:
    """An error that quotes the URL of the database, as those of drivers may."""
    raise ConnectionError(f"cannot connect to {app.url}")


@app.task
async def shout() -> None:
    """More than a pipe holds, on stdout and in the log."""
    for _ in range(20):
        logging.getLogger("shop").warning("x" * 5000)
    print("what is not flushed before the end")
    print("heard", file=sys.stderr)
