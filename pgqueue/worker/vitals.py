"""Gathers what a worker says of itself; from any thread, without the database and without waiting for the event loop."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from .._json import loads_own
from .._text import cut, printable
from .lag import LoopLag
from .outcome import Outcome
from .progress import Progress
from .status import LONGEST_ERROR, MOST_RUNNING, State, Status


class Errors:
    """The last run that failed."""

    def __init__(self) -> None:
        self._last: str | None = None
        self._said: tuple[str | None, str | None] = (None, None)  # of which outcome, and what

    def note(self, outcomes: Sequence[Outcome]) -> None:
        """Look at outcomes that the database has accepted. Kept as they are: few people ask, and they must cost nothing."""
        for outcome in outcomes:
            if outcome.state == "failed":
                self._last = outcome.json

    def last(self) -> str | None:
        """Type and message."""
        text, (of, said) = self._last, self._said
        if text is not None and text is not of:  # else it was read before
            error = loads_own(text).get("error") or {}
            said = cut(printable(f"{error.get('type', 'Error')}: {error.get('message', '')}"), LONGEST_ERROR)
            self._said = text, said
        return said


class Vitals:
    """What there is to ask of a worker that runs.

    Args:
        loop: its event loop.
        on_ready: called once the first claim was answered.

    Attributes:
        progress, errors: of its claim loop, and of its jobs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_ready: Callable[[], object]) -> None:
        self._lag = LoopLag(loop)
        self.progress, self.errors = Progress(on_ready), Errors()

    def turned(self) -> float:
        """Seconds since the loop ran last, as far as it was asked before; and ask it again."""
        seconds = self._lag.open_for()
        with suppress(RuntimeError):  # the loop is closed
            self._lag.ping()
        return seconds

    def status(
        self,
        state: State,
        worker: UUID,
        running: Mapping[int, object],
        counts: Counter[str],
        **more: Any,
    ) -> Status:
        """The status of a worker whose parts are there.

        Args:
            state: its state.
            worker: its id.
            running: the jobs whose handlers run.
            counts: outcomes by state.
            more: the other fields.
        """
        return Status(
            state=state,
            worker=str(worker),
            turned=self.turned(),
            claimed=self.progress.age(),
            running=tuple(list(running)[:MOST_RUNNING]),
            done=counts["succeeded"],
            failed=counts["failed"],
            last_error=self.errors.last(),
            **more,
        )
