"""Passes TCP connections on to a unix socket: `python -m tests.faults.forward ADDRESS PORT SOCKET`.

A unix socket belongs to no network, so a process inside one can reach a server outside of it.
"""

import asyncio
import contextlib
import sys


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _serve(address: str, port: int, socket: str) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(socket)
        await asyncio.gather(_pump(reader, server_writer), _pump(server_reader, writer))

    async with await asyncio.start_server(accept, address, port) as server:
        print("ready", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
