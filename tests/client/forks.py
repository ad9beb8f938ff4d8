"""Processes that fork with an app in use, as servers that load the application first do; test_fork.py reads what they print.

python -m tests.client.forks <scenario> <database url>
"""

import asyncio
import gc
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from pgqueue import PgQueue, _coalesce
from pgqueue.database import Call

CHILDREN = 4
app = PgQueue(sys.argv[2])
BACKEND: Call[int] = Call("select pg_backend_pid()", (), lambda rows: int(rows[0][0]))


@app.task
def welcome(user_id: int) -> None:
    """Does nothing."""


def backend() -> int:
    """Which server process serves this process."""
    return app.database.run(BACKEND)


def fork(child: Callable[[], object]) -> None:
    """Let children do something and end as programs do; this process waits for them."""
    children = []
    for _ in range(CHILDREN):
        pid = os.fork()
        if pid == 0:
            child()
            sys.exit()
        children.append(pid)
    for pid in children:
        _, status = os.waitpid(pid, 0)
        say("child", os.waitstatus_to_exitcode(status))


def say(name: str, value: object) -> None:
    """A line for the test, in one write."""
    os.write(1, f"{name} {value}\n".encode())


def enqueue() -> None:
    """What a child does."""
    welcome.enqueue(1)
    say("backend", backend())


def preload() -> None:
    """The parent's pool is open when it forks, and goes on."""
    _coalesce.WINDOW = 3600.0
    welcome.enqueue(0)
    before = backend()
    fork(enqueue)
    welcome.enqueue(2)
    say("parent", before)
    say("parent", backend())


def grandchildren() -> None:
    """Children fork, too."""
    welcome.enqueue(0)

    def child() -> None:
        enqueue()
        fork(enqueue)

    fork(child)


def held() -> None:
    """Another thread holds every lock of the parent's pool at the moment of the fork, and children let go of that pool."""
    welcome.enqueue(0)
    locks = _locks()
    taken, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with ExitStack() as all_of_them:
            for lock in locks:
                all_of_them.enter_context(lock)
            taken.set()
            leave.wait()

    def child() -> None:
        enqueue()
        del app.__dict__["database"]
        gc.collect()

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait()
    fork(child)
    leave.set()
    holder.join()
    enqueue()


def _locks() -> list[Any]:
    pool: Any = app.database.pool()
    return [pool._lock, pool._sched._lock, pool._tasks.mutex]


def busy() -> None:
    """Other threads enqueue all the time while it forks."""
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            welcome.enqueue(0)

    threads = [threading.Thread(target=go_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        fork(enqueue)
    over.set()
    for thread in threads:
        thread.join()


def reused() -> None:
    """The child's process id is one that the app knows: that of an ancestor long gone."""
    enqueue()
    parent = os.getpid()

    def child() -> None:
        os.getpid = lambda: parent
        enqueue()

    fork(child)
    enqueue()


async def aenqueue() -> None:
    """What a child does in async code; it does not close the app's connections."""
    await welcome.aenqueue(1)
    number = await app.async_database.run(BACKEND)
    say("backend", number)


def run_aenqueue() -> None:
    """`aenqueue` on an event loop of its own."""
    asyncio.run(aenqueue())


def after_a_loop() -> None:
    """The parent has had an event loop before it forks."""
    run_aenqueue()
    fork(run_aenqueue)
    run_aenqueue()


def beside_a_loop() -> None:
    """The parent's event loop runs in another thread while it forks by multiprocessing, and goes on."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(aenqueue(), loop).result()
    children = [multiprocessing.get_context("fork").Process(target=run_aenqueue) for _ in range(CHILDREN)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        say("child", child.exitcode)
    asyncio.run_coroutine_threadsafe(aenqueue(), loop).result()
    asyncio.run_coroutine_threadsafe(app.aclose(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
