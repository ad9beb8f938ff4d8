"""`app.check()`: what can be known to be wrong without starting anything."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .config import names, unknown_variables
from .database.limit_calls import LimitStatus
from .errors import ConfigurationError, NotMigrated
from .executor import check_process_tasks
from .version import __version__

if TYPE_CHECKING:
    from .app import PgQueue


def check_configuration(app: "PgQueue") -> None:
    """Check an app's settings and tasks.

    Raises:
        ConfigurationError: something is wrong; the message names everything that is.
    """
    problems = [*_settings(), *_tasks(app)]
    if problems:
        raise ConfigurationError("; ".join(problems))


def check_version(installed: str, schema: str) -> None:
    """Raise NotMigrated when the schema is of another version than this package."""
    if installed != __version__:
        raise NotMigrated(f"schema {schema!r} has pgqueue {installed}, this is {__version__}; run `pgqueue migrate`")


def check_limit_names(app: "PgQueue", there: list[LimitStatus]) -> None:
    """Check that the limits of tasks are declared, or set in the database.

    Raises:
        ConfigurationError: some are neither; every enqueue would be refused.
    """
    known = app.limits.declared.keys() | {one.limit_name for one in there}
    problems = [
        f"task {task.name!r}: limit {key!r} is neither declared nor set; declare it by PgQueue(limits=[…]), or set it: "
        f"pgqueue limits set {key.partition(':')[0]} --rate 60/m"
        for task in app.tasks.values()
        for key in task.options.limits
        if known.isdisjoint((key, key.partition(":")[0]))
    ]
    if problems:
        raise ConfigurationError("; ".join(problems))


def _settings() -> Iterator[str]:
    for variable in unknown_variables():
        yield f"{variable}: there is no such setting; there are: {', '.join(f'PGQUEUE_{name.upper()}' for name in names())}"


def _tasks(app: "PgQueue") -> Iterator[str]:
    for task in app.tasks.values():
        try:
            check_process_tasks([task])
            if task.parameters.injected and app.lifespan is None:
                wanted = ", ".join(repr(name) for name in task.parameters.injected)
                yield f"task {task.name!r}: {wanted} is injected, but the app has no lifespan; give PgQueue(lifespan=…)"
        except ConfigurationError as error:
            yield str(error)
