"""Parameters that take a value of the app's lifespan instead of an argument of the job."""

from typing import Annotated, Any, TypeVar

T = TypeVar("T")


class Injected:
    """Marks a parameter in its annotation."""


Inject = Annotated[T, Injected]
INJECTED: Any = None  # a default, so that type checkers do not ask callers for the argument
