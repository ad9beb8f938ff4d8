"""Reading server-sent events in tests."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import httpx

from pgqueue.api.service import Service
from tests.waiting import until


class Came(NamedTuple):
    """An event."""

    id: str
    name: str
    data: Any


class Reading:
    """A stream that a thread reads, and what has come."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.came: list[Came] = []
        self.comments = 0
        self.is_over = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        block: dict[str, str] = {}
        try:
            for line in self.response.iter_lines():
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    block[name] = value
                elif "data" in block:
                    self.came.append(Came(block["id"], block["event"], json.loads(block["data"])))
                    block = {}
        except (httpx.HTTPError, httpx.StreamError):
            pass  # it was cut
        self.is_over = True

    def names(self) -> list[str]:
        """The kinds of what has come."""
        return [event.name for event in self.came]

    def has(self, name: str, **data: Any) -> bool:
        """Whether such an event has come."""
        return any(event.name == name and data.items() <= event.data.items() for event in self.came)

    def wait(self, check: Callable[[list[Came]], Any], what: str) -> list[Came]:
        """What has come, once it fulfils `check`."""
        until(lambda: check(self.came), f"{what}, not only {self.came}", 15)
        return self.came

    def wait_for(self, name: str, **data: Any) -> None:
        """Wait for such an event."""
        self.wait(lambda came: self.has(name, **data), f"{name} {data}")

    def wait_end(self) -> list[Came]:
        """What has come when the server has ended the stream."""
        until(lambda: self.is_over, f"the end, after {self.came}", 15)
        return self.came


def end_streams(service: Service) -> None:
    """End all streams and polls, as the end of the process does; from the thread of the test."""
    if service.hub.loop is None:  # nobody has waited yet
        service.stopping.set()
    else:
        service.hub.loop.call_soon_threadsafe(service.stopping.set)


@contextmanager
def reading(client: httpx.Client, path: str, last: str | None = None, **params: Any) -> Iterator[Reading]:
    """Read a stream."""
    headers = {} if last is None else {"Last-Event-ID": last}
    with client.stream("GET", path, params=params, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        try:
            yield Reading(response)
        finally:  # a thread reads, so that closing alone would not be seen by the server
            with suppress(OSError):
                response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
