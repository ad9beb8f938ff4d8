"""A COMMIT on a connection of the application that is cut, whatever the library: the database says what became of it."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgqueue import PgQueue
from tests.looking import Look
from tests.worker.blocks import set_result, written_by
from tests.worker.conftest import burst

from .test_given_transaction import KINDS, register

pytestmark = pytest.mark.usefixtures("written")
CUT = {name: kind for name, kind in KINDS.items() if "pool" not in name}  # asyncpg's close() waits for the one that was cut


@contextmanager
def cutting(url: str, directory: Path, reaches: bool) -> Iterator[str]:
    """A proxy that cuts a connection at COMMIT, before the server has it, or before its answer arrives. Gives its URL."""
    name = "/.s.PGSQL.5432"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{directory}{name}")
        listening.listen()
        serving = threading.Thread(
            target=_serve, args=(listening, f"{conninfo_to_dict(url)['host']}{name}", reaches), daemon=True
        )
        serving.start()
        yield make_conninfo(url, host=str(directory))
        listening.shutdown(socket.SHUT_RDWR)
        serving.join(5)


def _serve(listening: socket.socket, server: str, reaches: bool) -> None:
    with suppress(OSError):  # it is closed
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_carry, args=(client, server, reaches), daemon=True).start()


def _carry(client: socket.socket, server: str, reaches: bool) -> None:
    with client, socket.socket(socket.AF_UNIX) as there:
        there.connect(server)
        is_cut = threading.Event()
        back = threading.Thread(target=_answers, args=(there, client, is_cut), daemon=True)
        back.start()
        with suppress(OSError):
            while data := client.recv(65536):
                if b"COMMIT" in data.upper():
                    is_cut.set()
                    if reaches:
                        there.sendall(data)
                        time.sleep(0.1)  # the server may also commit later: it is asked until it has
                    break
                there.sendall(data)
        for one in (client, there):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        back.join(5)


def _answers(there: socket.socket, client: socket.socket, is_cut: threading.Event) -> None:
    with suppress(OSError):
        while (data := there.recv(65536)) and not is_cut.is_set():
            client.sendall(data)


@pytest.mark.parametrize("reaches", [True, False], ids=["answer lost", "never sent"])
@pytest.mark.parametrize("name", CUT)
async def test_a_commit_that_is_cut_is_asked_for(
    async_app: PgQueue,
    look: Look,
    database_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    reaches: bool,
) -> None:
    with cutting(database_url, tmp_path, reaches) as url, caplog.at_level(logging.WARNING):
        job = register(async_app, url, KINDS[name], set_result).enqueue()
        await burst(async_app)
    assert (look.state(job.id), written_by(look)) == (("succeeded", [job.id]) if reaches else ("failed", []))
    (said,) = [record.getMessage() for record in caplog.records if "COMMIT was not answered" in record.getMessage()]
    assert "\n" not in said
