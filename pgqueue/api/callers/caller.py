"""Who calls, and what that key may."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ..problems import Problem

Role = Literal["viewer", "producer", "worker", "operator", "admin"]
# Who may call an endpoint; as the roles of SQL of the same names may, see docs/security.md.
READERS: frozenset[str] = frozenset({"viewer", "operator", "admin"})
PRODUCERS: frozenset[str] = frozenset({"producer", "worker", "admin"})
WORKERS: frozenset[str] = frozenset({"worker", "admin"})
OPERATORS: frozenset[str] = frozenset({"operator", "admin"})
ADMINS: frozenset[str] = frozenset({"admin"})
ANYONE: frozenset[str] = READERS | PRODUCERS  # with any valid key
OPEN: frozenset[str] = frozenset()  # without a key


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        name: of the key; what the audit log keeps.
        role: what it may.
        address: from where it calls.
        key_id: the public part of the key; None without keys.
        queues: the only queues that it may see and use; None = all.
        may_read_arguments: whether it sees arguments and results of jobs.
    """

    name: str
    role: Role
    address: str
    key_id: str | None = None
    queues: frozenset[str] | None = None
    may_read_arguments: bool = True

    @property
    def may_read_results(self) -> bool:
        """Whether it may read results of jobs, as the SQL role of the same name may."""
        return self.role != "producer" and self.may_read_arguments

    def check_queue(self, queue: str) -> None:
        """Raise Problem unless this queue is one of the caller's."""
        if self.queues is not None and queue not in self.queues:
            raise Problem(
                "forbidden", f"the key {self.name} is for the queues {', '.join(sorted(self.queues))}, not {queue[:200]}"
            )

    def narrow(self, filter: dict[str, Any]) -> dict[str, Any]:
        """A filter of jobs (by field) that finds only jobs of the caller's queues.

        Raises:
            Problem: it names other queues.
        """
        if self.queues is None:
            return filter
        wanted = filter.get("queue")
        for queue in [wanted] if isinstance(wanted, str) else wanted or ():
            self.check_queue(queue)
        return {**filter, "queue": wanted or sorted(self.queues)}

    def must_be(self, roles: Iterable[str], what: str) -> None:
        """Raise Problem unless the caller has one of these roles, for what an endpoint allows only some of its callers."""
        if self.role not in roles:
            raise Problem(
                "forbidden", f"{what} needs a key with the role {' or '.join(sorted(roles))}; this one is a {self.role}"
            )
