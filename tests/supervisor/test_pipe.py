"""The pipes: nobody waits for the other side, and what is no status does no harm."""

import asyncio
import os
from dataclasses import fields

import pytest

from pgqueue.supervisor.pipe import Sender, Statuses
from pgqueue.worker.status import _KINDS, Status
from tests.waiting import auntil


async def test_statuses_arrive_whole_and_what_is_none_is_left_out() -> None:
    reading, writing = os.pipe()
    got: list[Status] = []
    statuses = Statuses(reading, got.append)
    line = f"{Status('ready', running=(1, 2)).to_json()}\n".encode()
    for part in (line[:9], line[9:], b"a line of a library\n", b'{"state": "ready", "later": 1}\n[1]\n', line):
        os.write(writing, part)
        await asyncio.sleep(0)
    await auntil(lambda: len(got) == 3, "three statuses")
    assert got[0] == got[2] == Status("ready", running=(1, 2))
    os.close(writing)
    await auntil(lambda: statuses._fd == -1, "the end")


async def test_a_line_without_an_end_is_bounded() -> None:
    reading, writing = os.pipe()
    statuses = Statuses(reading, lambda status: None)
    for _ in range(40):
        os.write(writing, b"x" * 50_000)
        statuses.read()
    assert len(statuses._rest) == 1_000_000
    statuses.close()
    os.close(writing)


def test_a_sender_never_waits_and_loses_nothing() -> None:
    reading, writing = os.pipe()
    sender = Sender(writing)
    sender.send("x" * 200_000)
    assert not sender.flush(), "the pipe is full"
    got = b""
    while not got.endswith(b"\n"):
        got += os.read(reading, 65536)
        sender.flush()
    assert len(got) == 200_001
    os.close(reading)
    sender.send("nobody reads")
    assert sender.flush()
    sender.close()
    sender.close()


@pytest.mark.parametrize(
    "line",
    [
        "[]", "1", "NaN", '{"turned": "x"}', '{"turned": null}', '{"claimed": NaN}', '{"lag": Infinity}', '{"turned": -1}',
        '{"running": 5}', '{"running": ["a"]}', '{"state": "lost"}', '{"state": []}', '{"worker": "zz"}', '{"worker": 5}',
        '{"done": 0.5}', '{"done": true}', '{"connected": 1}', '{"last_error": 5}', "[" * 100_000,
    ],
)  # fmt: skip
async def test_what_a_handler_writes_into_the_pipe_is_no_status(line: str) -> None:
    """The supervisor reckons with these values: it would fall over them, and then nothing could stop it."""
    reading, writing = os.pipe()
    got: list[Status] = []
    statuses = Statuses(reading, got.append)
    os.set_blocking(writing, False)
    os.write(writing, line.encode()[:60_000] + b"\n" + Status("ready", done=3).to_json().encode() + b"\n")
    statuses.read()
    assert got == [Status("ready", done=3)]
    statuses.close()
    os.close(writing)


def test_each_value_of_a_status_is_checked_and_what_is_sent_is_read() -> None:
    assert set(_KINDS) == {field.name for field in fields(Status)}
    assert Status.from_json(Status().to_json()) == Status()
