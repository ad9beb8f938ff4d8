"""`app.check()`: finds errors in the configuration without starting anything."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .config import names, unknown_variables
from .errors import ConfigurationError, NotMigrated, migrate_command
from .executor import look_up
from .version import __version__

if TYPE_CHECKING:  # a command that reads checks the owner of the schema, and needs no tasks
    from .database.calls.limits import LimitStatus
    from .registry import Registered, Registry


def check_configuration(app: "Registry") -> None:
    """Check an app's settings and tasks.

    Raises:
        ConfigurationError: there are errors; the message names all of them.
    """
    problems = [*_settings(), *_tasks(app)]
    if problems:
        raise ConfigurationError("; ".join(problems))


def check_owner(owner: str | None, schema: str) -> None:
    """Refuse to call, as a superuser, what the `owner` of the schema has made; None: there is no such danger."""
    if owner is not None:
        raise ConfigurationError(
            f"schema: {schema} belongs to the role {owner}, and what it has put there would run as a superuser; "
            f"log in as {owner} or as a member of a role of the schema, not as a superuser"
        )


def check_version(installed: str, schema: str) -> None:
    """Raise NotMigrated if the schema and this package have different versions."""
    if installed != __version__:
        raise NotMigrated(f"schema {schema!r} has pgqueue {installed}, this is {__version__}; run `{migrate_command(schema)}`")


def check_limit_names(app: "Registry", there: "list[LimitStatus]") -> None:
    """Check that the limits of tasks are declared, or set in the database.

    Raises:
        ConfigurationError: a limit is not; every enqueue with it would be refused.
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


def _tasks(app: "Registry") -> Iterator[str]:
    for task in app.tasks.values():
        try:
            check_process_tasks([task])
            if task.parameters.injected and app.lifespan is None:
                wanted = ", ".join(repr(name) for name in task.parameters.injected)
                yield f"task {task.name!r}: {wanted} is injected, but the app has no lifespan; give PgQueue(lifespan=…)"
        except ConfigurationError as error:
            yield str(error)


def check_process_tasks(tasks: "Iterable[Registered[Any]]") -> None:
    """Check tasks for processes, as far as it was not possible when they were declared.

    Raises:
        ConfigurationError: a task for processes takes injected values, or its function's name does not lead to it.
    """
    for task in tasks:
        if task.executor == "process":
            _check_process_task(task)


def _check_process_task(task: "Registered[Any]") -> None:
    if task.parameters.injected:
        names = ", ".join(repr(name) for name in task.parameters.injected)
        raise ConfigurationError(
            f"executor: task {task.name!r} runs in a process, where lifespan values are not available; "
            f"remove the parameter {names}"
        )
    module, path = task.function.__module__, task.function.__qualname__
    try:
        found = look_up(module, path)
    except (AttributeError, KeyError):
        found = None
    if getattr(found, "function", None) is not task.function or getattr(found, "_app", None) is not task._app:
        what = "the function alone" if found is task.function else "something else"
        raise ConfigurationError(
            f"executor: task {task.name!r} runs in a process, which imports the task as {module}.{path} and finds {what}; "
            "decorate the function there with @app.task"
        )
