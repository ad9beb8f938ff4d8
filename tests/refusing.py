"""Servers that admit nobody: one that never answers, and one that refuses everybody with an error of PostgreSQL's."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def black_hole() -> Iterator[int]:
    """The port of something that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def refusing(sqlstate: str, message: str) -> Iterator[int]:
    """The port of a server that refuses every login with this error."""
    report = f"SFATAL\0VFATAL\0C{sqlstate}\0M{message}\0\0".encode()
    answer = b"E" + struct.pack("!i", len(report) + 4) + report
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening, answer), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _serve(listening: socket.socket, answer: bytes) -> None:
    with suppress(OSError):  # it is closed
        while True:
            client, _ = listening.accept()
            with client, suppress(ConnectionError):
                while client.recv(4096)[4:8] == _SSL_REQUEST:
                    client.sendall(b"N")
                client.sendall(answer)


_SSL_REQUEST = struct.pack("!i", 80877103)


def closed_port() -> int:
    """A port at which nothing listens: the system has just given it, and it is free again."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
