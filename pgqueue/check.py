"""`app.check()`: what can be known to be wrong without starting anything."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ._executor import check_process_tasks
from .config import names, unknown_variables
from .errors import ConfigurationError, NotMigrated
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
