"""Parameters that the worker fills in and that are not arguments of the job: `Inject[T]`, and the context."""

from typing import Annotated, Any, TypeVar

T = TypeVar("T")


class ContextMarker:
    """The base of `JobContext`, by which a type hint is recognised without importing it."""

    __slots__ = ()


class Injected:
    """Marks an annotation as `Inject[…]`, and is the type of `INJECTED`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "INJECTED"


INJECTED: Any = Injected()
"""The default of an injected parameter, so that type checkers do not ask for it: `http: Inject[Client] = INJECTED`."""

Inject = Annotated[T, INJECTED]
"""`Inject[T]`: the worker passes what the app's lifespan provides of type T."""
