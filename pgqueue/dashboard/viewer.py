"""Who looks, where the application around the dashboard decides that."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from ..api.callers.caller import READERS, Caller
from ..errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody whom the application lets in.

    Attributes:
        name: who it is; the audit log keeps it.
        role: what it may do, as an API key of this role may: viewer, operator or admin.
        queues: the only queues that it may see and act on; None = all.
        may_read_arguments: whether it sees arguments and results of jobs.

    Raises:
        ConfigurationError: the name is empty, or the role is none of these.
    """

    name: str
    role: Literal["viewer", "operator", "admin"] = "viewer"
    queues: Iterable[str] | None = None
    may_read_arguments: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ConfigurationError(f"name: {self.name!r} is not valid; give a text, such as the login of the user")
        if self.role not in READERS:
            raise ConfigurationError(f"role: {self.role!r} is not valid; use viewer, operator or admin")

    def as_caller(self, address: str) -> Caller:
        """The viewer as the API knows callers."""
        queues = None if self.queues is None else frozenset(self.queues)
        return Caller(self.name, self.role, address, None, queues, self.may_read_arguments)


Authorize = Callable[[Request], Viewer | Awaitable[Viewer | None] | None]
"""Says who sends a request: a Viewer, or None to refuse it. It may be a coroutine function."""
