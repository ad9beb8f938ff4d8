"""What should become of a workflow, worked out from scratch after each step, for test_workflow_machine.py."""

from dataclasses import dataclass, field
from uuid import UUID

ENDED = ("skipped", "succeeded", "cancelled", "failed")  # by weight: the greatest is the workflow's outcome
WAITING = ("blocked", "scheduled", "ready")


@dataclass
class Node:
    """One node; `state` is that of its job while it has one."""

    id: int
    into: dict[int, str]  # its parents, and how each must end
    max_attempts: int
    state: str = "blocked"
    attempt: int = 0
    rescues: int = 0
    is_later: bool = False  # its time had not come when it was made to wait for its parents again
    token: UUID | None = None
    stops: bool = False  # it ran when the workflow was cancelled
    is_asked: bool = False  # to stop, by itself, while it runs

    @property
    def is_over(self) -> bool:
        return self.state in ENDED


@dataclass
class Model:
    """One workflow."""

    nodes: dict[int, Node] = field(default_factory=dict)
    cancelled: bool = False
    told: list[str] = field(default_factory=list)

    def of(self, *states: str) -> list[Node]:
        """The nodes in these states."""
        return [node for node in self.nodes.values() if node.state in states]

    def is_finished(self) -> bool:
        return all(node.is_over for node in self.nodes.values())

    def outcome(self) -> str | None:
        """None as long as it has not finished."""
        return max((node.state for node in self.nodes.values()), key=ENDED.index) if self.is_finished() else None

    def pending(self, node: Node) -> int:
        """How many parents a blocked node waits for."""
        return sum(not self.nodes[parent].is_over for parent in node.into) if node.state == "blocked" else 0

    def settle(self, was_open: bool = True) -> None:
        """Release and skip until nothing moves. A workflow that was open and is over now has told so; what is added ends none."""
        while any(self._moves(node) for node in self.of("blocked")):
            pass
        outcome = self.outcome()
        if was_open and outcome:
            self.told.append(outcome)

    def _moves(self, node: Node) -> bool:
        parents = [(self.nodes[parent], policy) for parent, policy in node.into.items()]
        if any(parent.is_over and policy not in ("finished", parent.state) for parent, policy in parents):
            node.state = "skipped"
        elif all(parent.is_over for parent, _ in parents):
            node.state = "scheduled" if node.is_later else "ready"
        return node.state != "blocked"

    def leave(self, node: Node, state: str) -> None:
        """It runs no longer, or never will."""
        node.state, node.token = state, None

    def finish(self, id: int, token: UUID, outcome: str, later: bool) -> str | None:
        """The verdict on one outcome; settle afterwards."""
        node = self.nodes[id]
        if node.token != token:
            return "stale"
        if outcome in ("succeeded", "cancelled"):
            self.leave(node, outcome)
            return None
        if outcome == "dead" or (outcome == "failed" and (node.attempt >= node.max_attempts or self.cancelled or node.stops)):
            self.leave(node, "failed")
            return "dead_letter"
        if self.cancelled or node.stops or node.is_asked:
            self.leave(node, "cancelled")
            return "cancelled"
        node.attempt -= outcome == "snoozed"
        node.rescues = 0
        self.leave(node, "scheduled" if later else "ready")
        return "scheduled"

    def rescue(self, token: UUID) -> int:
        """The worker is lost that claimed these; it had not told which it had started."""
        orphans = [node for node in self.of("running") if node.token == token]
        for node in orphans:
            node.rescues += 1
            node.attempt -= node.rescues < 3
            if self.cancelled or node.stops or node.is_asked:
                self.leave(node, "cancelled")
            else:
                self.leave(node, "failed" if node.rescues >= 3 else "scheduled" if node.rescues == 2 else "ready")
        return len(orphans)

    def retry(self, *dead: Node) -> None:
        """They run again, each when no parent is open; what was skipped below them, or has not started, waits again."""
        again = list(dead)
        for node in again:
            again += [child for child in self.of("skipped") if node.id in child.into and child not in again]
        for node in again:
            node.state = "ready" if node in dead else "blocked"
        for node in dead:
            node.attempt = node.rescues = 0
            node.is_later = node.stops = node.is_asked = False
        for node in self.of("running"):
            node.stops |= self.cancelled
        held = [node for node in self.of("ready", "scheduled") if any(parent.id in node.into for parent in again)]
        for node in held + [node for node in dead if any(not self.nodes[parent].is_over for parent in node.into)]:
            node.is_later = node.state == "scheduled"
            node.state = "blocked"
        self.cancelled = False

    def cancel(self) -> int:
        """How many nodes a cancelling of the workflow ends."""
        waiting = self.of(*WAITING)
        for node in waiting:
            self.leave(node, "cancelled")
        self.cancelled = True
        return len(waiting)

    def has_cycle(self, more: dict[int, dict[int, str]]) -> bool:
        """Whether the graph has one with these edges as well: child: its new parents."""
        into = {id: {**node.into, **more.get(id, {})} for id, node in self.nodes.items()}
        while leaves := [id for id, parents in into.items() if not parents.keys() & into.keys()]:
            for id in leaves:
                del into[id]
        return bool(into)
