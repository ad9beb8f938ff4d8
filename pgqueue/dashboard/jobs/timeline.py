"""The timeline of a job: what is known of its waits and runs, and no more. Time never goes back in it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .numbers import number, time

LEAST = 1.2  # percent of the width that the shortest stretch has
LONG = timedelta(seconds=30)  # a wait that may hide a run
MOST_MARKS = 60  # steps and signals that are drawn
Job = dict[str, Any]


@dataclass(slots=True)
class Stretch:
    """A wait or a run.

    Attributes:
        kind: the colour: the name of a state.
        label: in a word or two.
        begin: when it began.
        end: None = it goes on.
        seconds: how long it took; None = it goes on, or no true number is known.
        about: what is to be said of it.
        x, width: percent of the picture.
    """

    kind: str
    label: str
    begin: datetime
    end: datetime | None
    seconds: float | None = None
    about: str = ""
    x: float = 0.0
    width: float = 0.0


@dataclass(slots=True)
class Mark:
    """A step, or the wait for a signal, in the picture."""

    kind: str
    label: str
    x: float
    width: float


@dataclass(slots=True)
class Timeline:
    """What is known.

    Attributes:
        stretches: in their order.
        marks: steps and signals.
        is_bent: a clock was set back: what would be a negative time is left out.
        hides_runs: whether a wait may hide runs that have left no mark.
    """

    stretches: list[Stretch] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    is_bent: bool = False
    hides_runs: bool = False


def timeline(job: Job, now: datetime | None = None) -> Timeline:
    """The timeline of a job as `GET /jobs/{job_id}` answers it."""
    made = _Making(job)
    for error in made.errors:
        made.add_attempt(error)
    made.add_end()
    line = Timeline(made.found, is_bent=made.is_bent, hides_runs=made.hides_runs)
    ends = _place(line.stretches, now or datetime.now(UTC))
    line.marks = list(_marks(job, line.stretches, ends))[:MOST_MARKS]
    return line


class _Making:
    """Puts stretches behind each other."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.errors = [error for error in job["errors"] or [] if isinstance(error, dict)]
        self.due = time(job["run_at"])
        self.found: list[Stretch] = []
        self.is_bent = self.hides_runs = False
        self.cursor: datetime = time(job["created_at"]) or datetime.now(UTC)
        # What the next wait is for: nothing has happened yet, it is a dead letter, or it waits until a planned time.
        self.is_first, self.is_dead = True, False
        self.planned: datetime | None = None
        self.waits_as = "waited to retry"

    def add_attempt(self, error: dict[str, Any]) -> None:
        """A run that failed, or an end without a run."""
        began, ended = time(error.get("started_at")), time(error.get("ended_at"))
        if ended is None:
            return
        is_lost = error.get("type") == "WorkerLost"
        kind = "lost" if is_lost else "failed"
        self._wait(began or ended)
        if began is None:
            self._add(kind, _short(error.get("type")), ended, ended)
        else:
            about = "its worker was lost; until when it ran is not known" if is_lost else _short(error.get("type"))
            self._add(kind, f"attempt {error.get('attempt')}", began, ended, about=about)
        self.planned = time(error.get("retry_at"))
        self.is_first, self.is_dead = False, self.planned is None

    def add_end(self) -> None:
        """The run that goes on or came last, and the wait before it or since."""
        job, state = self.job, self.job["state"]
        claimed, finished = time(job["claimed_at"]), time(job["finished_at"])
        if finished is None:
            self._note_snooze(time(job.get("put_off_at")))
        if state == "running" and claimed is not None:
            self._wait_last(claimed)
            self._add("running", "runs", claimed, None)
        elif finished is None:
            self._go_on_waiting(state)
        elif state == "succeeded" or (state == "cancelled" and self._has_run_since(claimed)):
            began = claimed or finished
            self._wait_last(began)
            self._add(state, "ran", began, finished, number(job["elapsed"]))
        elif state == "cancelled":
            self._wait_last(finished)
            self._add("cancelled", "cancelled", finished, finished)

    @property
    def _first_wait(self) -> str:
        """What a job waits for between its enqueue and when it is due; of a node it is not known which of the two."""
        return "waited for its time" if self.job["workflow_id"] is None else "waited for other jobs, or its time"

    def _has_run_since(self, claimed: datetime | None) -> bool:
        return claimed is not None and claimed >= self.cursor

    def _note_snooze(self, at: datetime | None) -> None:
        """A handler that has put its job off: what lies before is a wait and a run, and where one ended is not known."""
        if at is None or at <= self.cursor + timedelta(seconds=1):  # a retry is noted within the second
            return
        self._add("scheduled", "waited and ran", self.cursor, at, about="its handler has put it off at the end")
        self.is_first = self.is_dead = False
        self.planned, self.waits_as = self.due, "put off"

    def _go_on_waiting(self, state: str) -> None:
        """The wait of a job that is not over: it has no end."""
        if state == "ready" and self.due is not None and self.due > self.cursor:
            self._wait(self.due)
        elif state == "scheduled" and self.is_dead and self.due is not None:
            self.is_dead = False  # how long it was one is not known
        label = {"blocked": "waits for other jobs", "scheduled": "waits for its time"}.get(state, "in line")
        self._add(state, label, self.cursor, None)

    def _wait_last(self, until: datetime) -> None:
        """The wait before the last run. If the job was retried by hand, it is known when."""
        if self.is_dead and self.due is not None and self.cursor < self.due < until:
            self._wait(self.due)
            self.is_dead, self.planned = False, None
            self._add("ready", "in line", self.cursor, until)
        else:
            self._wait(until)

    def _wait(self, until: datetime) -> None:
        """What lies between the last stretch and a time."""
        if until <= self.cursor:
            self.is_bent = self.is_bent or until < self.cursor - timedelta(milliseconds=5)
        elif self.is_dead:
            self._add("failed", "dead letter", self.cursor, until, about="until somebody retried it")
        else:
            planned = self.due if self.is_first and not self.errors else self.planned
            self._wait_for(planned, until)

    def _wait_for(self, planned: datetime | None, until: datetime) -> None:
        """A wait that should have ended at a planned time."""
        self.hides_runs = self.hides_runs or until - self.cursor > LONG
        label = self._first_wait if self.is_first else self.waits_as
        if planned is None:
            self._add("ready", "waited", self.cursor, until)
        elif planned > until:
            about = "" if self.is_first else "it was started before its time"
            self._add("scheduled", label, self.cursor, until, about=about)
        else:
            if planned > self.cursor:
                self._add("scheduled", label, self.cursor, planned)
            if until > self.cursor:
                self._add("ready", "in line", self.cursor, until)

    def _add(
        self, kind: str, label: str, begin: datetime, end: datetime | None, seconds: float | None = None, about: str = ""
    ) -> None:
        """A stretch that begins where the last one ended, whatever the clocks say."""
        is_true = end is None or begin <= end
        self.is_bent = self.is_bent or not is_true
        if seconds is None and end is not None and is_true:
            seconds = (end - begin).total_seconds()
        self.found.append(Stretch(kind, label, begin, end if is_true else begin, seconds, about))
        self.cursor = max(self.cursor, begin, end or begin)


def _place(stretches: list[Stretch], now: datetime) -> list[datetime]:
    """Share the width: long stretches get more, but not in proportion, or nothing else would be seen. Returns their ends."""
    ends = [one.end or max(now, one.begin) for one in stretches]
    weights = [
        0.6 + math.log10(1 + 10 * max(0.0, one.seconds if one.seconds is not None else (end - one.begin).total_seconds()))
        for one, end in zip(stretches, ends, strict=True)
    ]
    total, x = sum(weights) or 1.0, 0.0
    widths = [max(LEAST, 100 * weight / total) for weight in weights]
    scale = 100 / max(sum(widths), 1e-9)
    for one, width in zip(stretches, widths, strict=True):
        one.x, one.width = round(x, 1), round(width * scale, 1)
        x += width * scale
    return ends


def _marks(job: Job, stretches: list[Stretch], ends: list[datetime]) -> Iterator[Mark]:
    """Steps, and what was waited for, where they lie in the picture."""
    for step in job["steps"]:
        yield _mark("step", step["name"], time(step["started_at"]), time(step["ended_at"]), stretches, ends)
    for signal in job["signals"]:
        if (began := time(signal["waited_at"])) is not None:
            yield _mark("signal", signal["name"], began, time(signal["ended_at"]) or ends[-1], stretches, ends)


def _mark(
    kind: str, label: str, began: datetime | None, ended: datetime | None, stretches: list[Stretch], ends: list[datetime]
) -> Mark:
    left = _x(began or ended or ends[-1], stretches, ends)
    return Mark(kind, label, left, round(max(0.4, _x(ended or ends[-1], stretches, ends) - left), 1))


def _x(at: datetime, stretches: list[Stretch], ends: list[datetime]) -> float:
    """Where a time lies in the picture, in percent."""
    for one, end in zip(stretches, ends, strict=True):
        if at <= end:
            whole = (end - one.begin).total_seconds()
            share = (at - one.begin).total_seconds() / whole if whole > 0 else 0.0
            return round(one.x + one.width * min(max(share, 0.0), 1.0), 1)
    return 99.6


def _short(name: Any) -> str:
    """The last part of the name of a type."""
    return str(name or "failed").rpartition(".")[2][:60]
