"""An app that takes long to be loaded, and whose code swallows what interrupts it: `python -m tests.cli.early` is its worker."""

import sys
import time

from pgqueue import PgQueue

app = PgQueue()


@app.task
async def work() -> None:
    pass


if __name__ == "__main__":
    from pgqueue.cli import main

    main(["worker", "tests.cli.early", *sys.argv[1:]])
elif "--processes" in sys.argv:
    print("loading", flush=True)
    try:
        time.sleep(20)
    except BaseException:  # as careless code does
        print("swallowed", flush=True)
