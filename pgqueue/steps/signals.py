"""Signals to jobs: the part of an app that sends them."""

from typing import Any

from .._checks import read_id
from .._text import shortened
from ..client import Client
from ..codec.open import dump_open
from ..database import Call
from ..database.calls import steps as step_calls
from ..errors import InvalidArgument
from ..job import Job
from .memory import check_name


class Signals(Client):
    """Sends signals to jobs."""

    def signal(self, job: Job[Any] | int, name: str, payload: Any = None, *, connection: Any = None) -> bool:
        """Tell a job something that it waits for with `ctx.wait_for`, or will wait for: a signal that comes first is kept.

        Args:
            job: the job, or its id.
            name: the name of the signal, 1 to 200 characters. The first signal of a name wins.
            payload: any JSON value, up to `max_args_bytes`; None by default.
            connection: as in `Task.using`: the signal is part of its transaction.

        Returns:
            Whether it was stored: False if the job has this signal already, or has been told that it does not come any more.

        Raises:
            InvalidArgument: the name or the payload is invalid.
            JobNotFound: there is no such job.
            WrongState: the job is over.
        """
        return self.database.run(_call(job, name, payload), connection)

    async def asignal(self, job: Job[Any] | int, name: str, payload: Any = None, *, connection: Any = None) -> bool:
        """`signal` for async code."""
        return await self.async_database.run(_call(job, name, payload), connection)


def _call(job: Job[Any] | int, name: str, payload: Any) -> Call[bool]:
    job_id = job.id if isinstance(job, Job) else read_id("job", job)
    return step_calls.signal(job_id, check_name("name", name), None if payload is None else _dumped(payload))


def _dumped(payload: Any) -> str:
    try:
        return dump_open(payload)
    except ValueError as error:
        raise InvalidArgument(f"payload: {shortened(payload)} is not valid; use JSON values: {error}") from None
