"""The answer to a claim: its jobs are given back if it cannot be written."""

import asyncio
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .polls import HAND_OVER_WITHIN, Poll, Polls

PART = 65_536  # bytes handed to the server at once


class Handover(Response):
    """An answer that hands jobs over.

    Args:
        body: the answer as JSON.
        polls, poll: what it ends.
    """

    def __init__(self, body: bytes, polls: Polls, poll: Poll) -> None:
        super().__init__(body, media_type="application/json")
        self._polls, self._poll = polls, poll
        # Whoever stands between may drop this answer.
        self._late = asyncio.get_running_loop().call_later(HAND_OVER_WITHIN, self._dropped)
        self._ending: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write the answer, or give the jobs back."""
        self._late.cancel()
        poll, polls = self._poll, self._polls
        writing = asyncio.ensure_future(self._write(send))
        try:
            waited_for: set[Any] = {writing} if poll.is_replaced else {writing, poll.over}
            await asyncio.wait(waited_for, timeout=HAND_OVER_WITHIN, return_when=asyncio.FIRST_COMPLETED)
            if not (writing.done() and not writing.exception() and writing.result()):
                writing.cancel()
                await polls.give_back(poll)
        except asyncio.CancelledError:
            writing.cancel()
            await polls.give_back(poll)
            raise
        finally:
            polls.close(poll)

    async def _write(self, send: Send) -> bool:
        """Whether all of it was handed to the server while the client was there."""
        body, poll = bytes(self.body), self._poll
        parts = [body[at : at + PART] for at in range(0, len(body), PART)] or [b""]
        if self._is_gone(poll):
            return False
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for number, part in enumerate(parts, 1):
            if self._is_gone(poll):
                return False
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})
        return True

    def _is_gone(self, poll: Poll) -> bool:
        return poll.over.done() and not poll.is_replaced

    def _dropped(self) -> None:
        self._ending = asyncio.ensure_future(self._give_back())

    async def _give_back(self) -> None:
        await self._polls.give_back(self._poll)
        self._polls.close(self._poll)
