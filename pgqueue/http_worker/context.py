"""The job as a handler of an HTTP worker sees it: what needs a connection to the database raises OutsideWorker."""

import asyncio
from datetime import datetime
from typing import Any

from .._checks import check_quantity
from .._json import Exact, dumps
from .._text import noted
from ..context import JobContext
from ..errors import LeaseLost
from ..transaction.event_loop import refuse_on_event_loop
from .link import ApiLink, Refused


class HttpJobContext(JobContext):
    """One run over HTTP. Progress and log lines work; steps, signals, transactions and `park` need a worker with a driver.

    Args:
        claimed: the job as a claim has answered it.
        token: of the claim.
        link: where progress is sent.
        loop: the event loop of the worker.
    """

    __slots__ = ("_link", "_loop")

    def __init__(self, claimed: dict[str, Any], token: str, link: ApiLink, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            token,
            int(claimed["id"]),
            claimed["queue"],
            claimed["task"],
            written(claimed["args"]),
            claimed["attempt"],
            claimed["max_attempts"],
            claimed["priority"],
            datetime.fromisoformat(claimed["run_at"]),
            datetime.fromisoformat(claimed["created_at"]),
            _json_of(claimed["meta"]),
            _json_of(claimed["node"]),
            claimed["limits"],
            _json_of(claimed["terms"]),
        )
        self._link, self._loop = link, loop

    def progress(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """See `JobContext.progress`."""
        refuse_on_event_loop("ctx.progress()", "`await ctx.aprogress()`", "it")
        if self._is_time_to_tell(done, total):
            asyncio.run_coroutine_threadsafe(self._send(done, total, note), self._loop).result()

    async def aprogress(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """See `JobContext.aprogress`."""
        if self._is_time_to_tell(done, total):
            await self._send(done, total, note)

    async def _send(self, done: float, total: float | None, note: str | None) -> None:
        body = {
            "token": self.token,
            "done": check_quantity("done", done),
            "total": None if total is None else check_quantity("total", total),
            "note": noted(note),
        }
        try:
            await self._link.send(f"/jobs/{self.id}/progress", body)
        except Refused as error:
            if error.kind != "lease-lost":
                raise
            raise LeaseLost(f"job {self.id} is no longer owned by this run") from None


def _json_of(value: Any) -> str | None:
    return None if value is None else written(value)


def written(value: Any) -> str:
    """A value that `loads_exactly` has read, as JSON text with the same numbers."""
    match value:
        case Exact():
            return value.text
        case dict():
            return "{" + ",".join(f"{dumps(name)}:{written(one)}" for name, one in value.items()) + "}"
        case list():
            return "[" + ",".join(map(written, value)) + "]"
    return dumps(value)
