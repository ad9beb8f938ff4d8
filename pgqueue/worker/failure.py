"""Why a worker ended."""

import asyncio


def raise_failure(*tasks: asyncio.Task[None]) -> None:
    """A task that failed on its own, such as on a schema that is not there, ends the worker with its error."""
    for task in tasks:
        error = None if not task.done() or task.cancelled() else task.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if error is not None:
            raise error
