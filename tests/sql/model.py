"""What the SQL functions should do to jobs, in a few lines of Python: the model that test_state_machine.py compares with."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

LIVE = ("scheduled", "ready", "running")


@dataclass
class Job:
    """One job; `run_at` is copied from the database whenever it changes there."""

    id: int
    queue: str
    priority: int
    max_attempts: int
    state: str
    run_at: Any
    attempt: int = 0
    rescues: int = 0
    errors: int = 0
    worker: UUID | None = None
    token: UUID | None = None
    retry_of: int | None = None
    young: bool = True  # claimed after its worker's last heartbeat
    key: str | None = None
    mode: str | None = None  # of uniqueness
    is_asked: bool = False  # to stop, while it runs

    def leave(self, state: str) -> None:
        """It runs no longer."""
        self.state, self.worker, self.token = state, None, None

    def order(self) -> tuple[Any, ...]:
        """Its place in its queue."""
        return -self.priority, self.run_at, self.id


@dataclass
class Worker:
    """One worker and what it reported last."""

    id: UUID
    active: bool = True
    started: set[int] = field(default_factory=set)


class Model:
    """All jobs and workers."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.workers: dict[UUID, Worker] = {}

    def holder(self, key: str | None) -> Job | None:
        """The live job that keeps others with this key away; there is at most one."""
        holders = [job for job in self.jobs.values() if key and job.key == key and job.state in LIVE]
        assert len(holders) <= 1
        return holders[0] if holders else None

    def running(self, worker: UUID | None = None) -> list[Job]:
        """Jobs that run, under this worker or any."""
        return [job for job in self.jobs.values() if job.state == "running" and worker in (None, job.worker)]

    def claim(self, worker: UUID, token: UUID, queues: list[str], want: int) -> list[int]:
        """The ids a claim must return."""
        ready = [job for job in self.jobs.values() if job.state == "ready" and job.queue in queues]
        picked: list[Job] = []
        if want > 0 and not any(job.rescues >= 2 for job in self.running(worker)):
            picked = sorted((job for job in ready if job.rescues >= 2), key=lambda job: job.run_at)[:1]
        for queue in queues:
            innocent = (job for job in ready if job.queue == queue and job.rescues < 2)
            picked += sorted(innocent, key=Job.order)[: max(want - len(picked), 0)]
        for job in picked:
            job.state, job.worker, job.token, job.young = "running", worker, token, True
            job.attempt += 1
            if job.mode in ("until_started", "replace"):
                job.key = None
        return [job.id for job in picked]

    def finish(self, id: int, token: UUID, outcome: str, delay: float) -> str | None:
        """The verdict on one outcome."""
        job = self.jobs.get(id)
        if job is None or job.state != "running" or job.token != token:
            return "stale"
        if outcome in ("succeeded", "cancelled"):
            job.leave(outcome)
            return None
        job.errors += outcome.startswith("failed")
        if outcome == "failed_for_good" or (outcome == "failed" and job.attempt >= job.max_attempts):
            job.leave("failed")
            return "dead_letter"
        if job.is_asked:
            job.leave("cancelled")
            return "cancelled"
        job.attempt -= not outcome.startswith("failed")
        if outcome != "unknown_task":
            job.rescues = 0  # it ran and its worker lives: it is no suspect
        job.leave("scheduled" if delay > 0 or outcome == "unknown_task" else "ready")
        return "scheduled"

    def cancel(self, job: Job) -> None:
        """A job that runs is asked to stop; any other ends."""
        if job.state == "running":
            job.is_asked = True
        else:
            job.leave("cancelled")

    def give_back(self, jobs: list[Job]) -> list[int]:
        """The ids of running jobs that become ready again, or end because they were asked to stop."""
        for job in jobs:
            job.attempt -= not job.is_asked
            job.leave("cancelled" if job.is_asked else "ready")
        return [job.id for job in jobs]

    def rescue(self) -> int:
        """How many jobs of lost workers are taken."""
        orphans = [job for job in self.running() if job.worker and not self._is_active(job.worker)]
        for job in orphans:
            worker = self.workers.get(job.worker) if job.worker else None
            started = worker is not None and job.id in worker.started
            may_have_started = worker is None or started or job.young
            job.rescues += may_have_started
            job.errors += 1
            if job.is_asked:
                job.attempt -= not started
                job.leave("cancelled")
            elif may_have_started and (job.rescues >= 3 or (started and job.attempt >= job.max_attempts)):
                job.leave("failed")
            else:
                job.attempt -= not started
                job.leave("scheduled" if job.rescues >= 2 else "ready")
        return len(orphans)

    def _is_active(self, worker: UUID) -> bool:
        return worker in self.workers and self.workers[worker].active
