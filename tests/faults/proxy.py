"""A proxy on loopback TCP that loses replies and goes silent: it understands just enough of the protocol for that."""

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

Cut = Literal["pass", "after commit", "before reply", "silent", "silent after"]
READY_FOR_QUERY = ord("Z")


class Proxy:
    """Forwards connections, and cuts those whose request `decide` says so about.

    Args:
        url: of the server; a unix socket or TCP.

    Attributes:
        url: where to connect instead.
        decide: called with the bytes of each request that calls a function of ours or commits; it answers
            "pass", "after commit" (the server has answered, the client never hears of it), or
            "before reply" (the client is cut off at once, the server goes on with the request),
            "silent" (this and all that follows is swallowed, and nobody is told), or
            "silent after" (the server still gets this one).
        cuts: how many replies were lost.
    """

    def __init__(self, url: str) -> None:
        self._server = conninfo_to_dict(url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._connections: list[_Connection] = []
        self.decide: Callable[[bytes], Cut] = lambda request: "pass"
        self.cuts = 0
        self.url = url

    def __enter__(self) -> "Proxy":
        self._thread.start()
        self._listener = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop).result(
            10
        )
        port = self._listener.sockets[0].getsockname()[1]
        self.url = make_conninfo(self.url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def silence(self, application_name: str | None = None) -> int:
        """Swallow from now on what open connections send and get, without closing them; new ones work.

        Args:
            application_name: of the connections; None = all.

        Returns:
            How many.
        """

        async def silence() -> int:
            meant = [one for one in self._connections if one.is_open and application_name in (None, one.name)]
            for one in meant:
                one.is_silent = True
            return len(meant)

        return asyncio.run_coroutine_threadsafe(silence(), self._loop).result(10)

    async def _close(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)  # a closed transport lets go of its socket in the loop's next rounds

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._server.get("host") or "localhost"), int(self._server.get("port") or 5432)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._writers.append(to_client)
        server, to_server = await self._connect()
        self._writers.append(to_server)
        connection = _Connection(to_client)
        self._connections.append(connection)
        forward = asyncio.create_task(self._requests(client, to_server, connection))
        back = asyncio.create_task(self._replies(server, to_client, connection))
        try:
            await asyncio.wait({forward, back}, return_when=asyncio.FIRST_COMPLETED)
            if connection.abandoned and not back.done():
                await back  # the server goes on with its request although nobody listens
            if connection.is_silent and not forward.done():
                await forward  # what the server does is not seen
        finally:
            connection.is_open = False
            for task in (forward, back):
                task.cancel()
            await asyncio.gather(forward, back, return_exceptions=True)
            to_client.close()
            if not connection.is_silent:  # the server is not told either
                to_server.close()

    async def _requests(self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter, connection: "_Connection") -> None:
        while data := await client.read(1 << 20):
            connection.name = connection.name or _application_name(data)
            if connection.is_silent:
                continue
            cut = self.decide(data) if b'"pgqueue".' in data or b"COMMIT" in data else "pass"
            connection.is_silent = cut in ("silent", "silent after")
            if cut == "silent":
                continue
            connection.cut_next = connection.cut_next or cut in ("after commit", "before reply")
            to_server.write(data)
            await to_server.drain()
            if cut == "before reply":
                connection.abandoned = True
                connection.to_client.close()
                return

    async def _replies(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter, connection: "_Connection") -> None:
        started = False  # the first ReadyForQuery ends the start-up, not a request
        while True:
            head = await server.readexactly(5)
            body = await server.readexactly(int.from_bytes(head[1:], "big") - 4)
            if connection.is_silent:
                continue
            if not connection.cut_next or not started:
                to_client.write(head + body)
                await to_client.drain()
            if head[0] == READY_FOR_QUERY:
                if started and connection.cut_next:
                    self.cuts += 1
                    return
                started = True


class _Connection:
    """What the two directions of one connection tell each other."""

    def __init__(self, to_client: asyncio.StreamWriter) -> None:
        self.to_client = to_client
        self.name = ""
        self.is_open = True
        self.cut_next = False
        self.abandoned = False
        self.is_silent = False


def _application_name(start_up: bytes) -> str:
    fields = start_up[8:].split(b"\0")
    return fields[fields.index(b"application_name") + 1].decode() if b"application_name" in fields else "none"
