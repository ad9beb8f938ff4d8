"""FAULTS 57: the database is there and refuses. Tries grow apart, the log stays readable, and nothing is lost."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from psycopg.conninfo import make_conninfo

from pgqueue import PgQueue
from pgqueue.database.connections import Circuit, Connections
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import working

pytestmark = pytest.mark.alone

REFUSED_FOR = 2.5  # seconds: tries after 0, 0.1, 0.3, 0.7 and 1.5 s at least, without jitter twice as many
TRIES = 9  # of one call meanwhile
TABLES = ("job", "worker", "job_history", "dead_letter", "turn", "bucket", "rescue_log", "job_result", "unique_hold")


class Refusal:
    """Every write of pgqueue's is refused while it is on; a sequence, which no rollback turns back, counts them."""

    def __init__(self, look: Look, sqlstate: str) -> None:
        self._look = look
        look.rows("create sequence public.tries")
        body = f"begin perform nextval('public.tries'); raise 'refused' using errcode = '{sqlstate}'; end"
        look.connection.execute(f"create function public.refuse() returns trigger language plpgsql as $${body}$$".encode())
        for table in TABLES:
            on = f"create trigger refuse before insert or update or delete on {table} execute function public.refuse()"
            look.connection.execute(on.encode())

    def stop(self) -> int:
        """Take writes again; how many were refused."""
        for table in TABLES:
            self._look.connection.execute(f"drop trigger refuse on {table}".encode())
        return int(self._look.value("select last_value from public.tries"))


@pytest.mark.parametrize("sqlstate", ["53100", "25006"])
async def test_what_refuses_is_tried_ever_more_slowly_and_takes_everything_when_it_is_back(
    app: PgQueue, look: Look, caplog: pytest.LogCaptureFixture, sqlstate: str
) -> None:
    gate = asyncio.Event()

    @app.task
    async def note(n: int) -> int:
        await gate.wait()
        return n

    ids = [job.id for job in note.enqueue_many([(n,) for n in range(5)])]
    async with working(app, concurrency=10):
        await auntil(lambda: look.count("running") == 5, "all running")
        refusal = await asyncio.to_thread(Refusal, look, sqlstate)
        caplog.clear()
        gate.set()
        await asyncio.sleep(REFUSED_FOR)
        lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
        tries = await asyncio.to_thread(refusal.stop)
        await auntil(lambda: look.count("succeeded") == 5, "the end of all jobs", within=15)
    await app.aclose()
    assert sorted(ids) == [row["id"] for row in look.rows("select id from job_history where state = 'succeeded' order by id")]
    # finish, heartbeat, and of maintenance: promote, mark_lost, rescue, sweep_lanes; and register after a lost lease
    assert 0 < tries <= 7 * TRIES
    assert len(lines) <= 4 * TRIES
    assert all("\n" not in record.getMessage() for record in lines)


@contextmanager
def _refusing_server(sqlstate: str) -> Iterator[tuple[str, list[float]]]:
    """A server that answers each connection with an error; its URL, and when it was asked."""
    asked: list[float] = []
    fields = b"SFATAL\0VFATAL\0C" + sqlstate.encode() + b"\0Mrefused\0\0"
    answer = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.recv(1000)
                    asked.append(time.monotonic())
                    client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        yield make_conninfo(host="127.0.0.1", port=port, user="nobody", sslmode="disable", gssencmode="disable"), asked
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize("sqlstate", ["53300", "57P03"])
async def test_connects_that_are_refused_grow_apart_for_all_connections_of_a_worker(
    app: PgQueue, caplog: pytest.LogCaptureFixture, sqlstate: str
) -> None:
    with _refusing_server(sqlstate) as (url, asked):
        circuit = Circuit()
        shared = Connections(url, "test", circuit)
        tasks = [asyncio.create_task(shared.take(0)) for _ in range(5)]
        await asyncio.sleep(REFUSED_FOR)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await shared.close()
    assert 3 <= len(asked) <= TRIES
    assert len(caplog.records) <= len(asked)
    assert asked[-1] - asked[-2] > asked[1] - asked[0]
