"""Whether this process and its database work, without a word that a stranger must not read."""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from ...database.call import Call
from ...database.calls import install as install_calls
from ...errors import NotMigrated
from ...version import __version__
from .. import problems
from ..problems import Problem

log = logging.getLogger("pgqueue.api")
Status = Literal["pass", "warn", "fail"]
Look = Callable[[Call[install_calls.Vitals]], Awaitable[install_calls.Vitals]]


@dataclass(frozen=True, slots=True)
class Health:
    """How it was a moment ago.

    Attributes:
        problem: why no request can be served; None = they can.
        ms: milliseconds in which the database answered; None = it did not.
        workers: those that keep their lease; None = not known.
        schema_version: of the install; None = not known.
    """

    problem: Problem | None
    ms: float | None = None
    workers: int | None = None
    schema_version: str | None = None


async def look(run: Look) -> Health:
    """Look how it is. `run`: runs a call of the database."""
    began = time.perf_counter()
    try:
        found = await run(install_calls.vitals())
    except Exception as error:
        problem = problems.of(error)
        if problem is None:
            log.exception("the health of the database is not known")
        return Health(problem or Problem("database-unavailable", "an unexpected error; the log of the server has it"))
    ms = round(1000 * (time.perf_counter() - began), 1)
    return Health(_of_version(found.version), ms, found.workers, found.version)


def _of_version(installed: str) -> Problem | None:
    """This version and that of the schema must be one, or calls fail sooner or later."""
    if installed == __version__:
        return None
    return problems.of(NotMigrated(f"the schema has pgqueue {installed}, this is {__version__}; run `pgqueue migrate`"))
