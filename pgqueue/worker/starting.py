"""How a worker starts: what it declares, its registration, what it leaves to others; then its loops run."""

import logging
from functools import partial

from ..config import is_embedded
from ..database.calls import limits as limit_calls
from ..database.calls import workers as worker_calls
from .in_vain import tell_in_vain
from .parts import Parts

log = logging.getLogger("pgqueue.worker")
SUPERUSER = (
    "the worker logs in as %s, a superuser: what an attacker gets it to run may do anything on the server; "
    "use a login that is a member of %s_worker (pgqueue migrate --roles)"
)


async def start(parts: Parts) -> None:
    """Start, as soon as the database answers.

    Raises:
        NotMigrated: the schema is not there.
    """
    await _declare_limits(parts)
    await parts.scheduler.declare(partial(parts.membership.until_answered, tell_locked=True))
    await parts.membership.register()
    await _look_for_foreign(parts)
    parts.liveness.start()
    if not parts.options.upkeep_only:
        await tell_in_vain(parts.links.maintenance.run, parts.queues, parts.app.queues)
    on = ", ".join(parts.queues) or "no queue: it only does upkeep"
    log.info("worker %s started on %s", parts.membership.id, on)
    _warn_of_superuser(parts)
    parts.loops.start()


async def _declare_limits(parts: Parts) -> None:
    """Declare the limits of the app before the first claim, so that no job starts without its limits."""
    for limit in parts.app.limits.declared.values():
        call = limit_calls.declare_limit(limit.name, limit.definition())
        changed = await parts.membership.until_answered(lambda call=call: call)  # type: ignore[misc]
        if changed is None:
            log.info("limit %s: people have set it; what the code declares applies when they have deleted it", limit.name)
        elif changed:
            # Two apps that declare a limit differently change it at each start: the log shows it.
            log.info("limit %s: as declared now: %s", limit.name, limit.summary())


async def _look_for_foreign(parts: Parts) -> None:
    """Know before the first claim which jobs are of other apps or versions: they are then not claimed at all."""
    if not parts.options.upkeep_only:
        call = worker_calls.foreign_tasks(parts.queues, list(parts.tasks))
        names = await parts.membership.until_answered(lambda: call)
        parts.foreign.add(names)


def _warn_of_superuser(parts: Parts) -> None:
    settings, login = parts.app.settings, parts.links.connections.superuser
    if login and not is_embedded(settings):
        log.warning(SUPERUSER, login, settings.schema_name)
