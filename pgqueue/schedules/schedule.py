"""A schedule as code declares it. The rules are in SQL (`declare_schedule`, `fire_schedules`); this only describes it."""

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta
from typing import Any

from .._checks import Duration, invalid
from .._text import named
from ..codec.callables import unversioned
from ..errors import InvalidArgument
from ..options import Options
from ..registry import Registered
from ..workflow.canvas import Signature
from .values import DEFAULTS, FIELDS, Misfire, Overlap, check_name, read_fields, to_json

Scheduled = Registered[Any] | Signature[Any]

_NONE = Options()
OF_ONE_CALL = ("run_at", "run_after", "depends_on", "run_if", "connection", "notify")
# Members of the JSON of a job that say what SQL does anyway.
_USUAL = {'"args":{}', '"queue":"default"', '"priority":0', '"result_ttl":"86400.000000 seconds"'}


@dataclass(frozen=True, slots=True)
class Schedule:
    """When jobs of a task are made: at the times of cron expressions, or every so many seconds.

    Args:
        name: 1 to 100 letters, digits and . _ : -
        call: a task without required arguments, or a signature with the arguments and options of each job:
            `report.using(queue="slow").s("eu")`.
        cron: an expression of five fields, "0 2 * * *", of six with the seconds last, or a name such as "@daily"; or a list of
            up to 20 expressions. "@every 90s" is every=90.
        every: seconds (or timedelta) between two ticks, 1 or more, counted from `starts_at`, or from 2000-01-01 UTC.
        timezone: for cron, a name such as "Europe/Berlin"; "UTC" by default.
        misfire: what becomes of ticks that were missed because no worker ran: "coalesce" (default) makes one job for all,
            "catch_up" one for each, "skip" none.
        most: with "catch_up": make at most so many jobs, the last ones; 10 by default.
        spacing: with "catch_up": seconds (or timedelta) between their starts; 1 by default.
        window: seconds (or timedelta): ticks that were missed longer ago make no job; 1 day by default.
        overlap: while the job before has not ended: "allow" (default) makes the next one all the same, "skip" leaves it out,
            "buffer_one" makes it when the job before has ended.
        jitter: seconds (or timedelta): each job starts up to so much later, by a hash of schedule and tick; 0 by default.
        starts_at, ends_at: no tick before the one or after the other; datetimes with a time zone.

    Attributes:
        call: the signature.
        cron: the expressions as a tuple.
        every, spacing, window, jitter: in seconds.

    Raises:
        InvalidArgument: a value is invalid; the message names it.
    """

    name: str
    call: Scheduled
    _: KW_ONLY
    cron: str | Iterable[str] | None = None
    every: Duration | None = None
    timezone: str = "UTC"
    misfire: Misfire = "coalesce"
    most: int = 10
    spacing: Duration = 1
    window: Duration = timedelta(days=1)
    overlap: Overlap = "allow"
    jitter: Duration | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "call", read_call(self.call))
        fields = read_fields(self.name, {field: getattr(self, field) for field in FIELDS})
        if not fields.keys() & {"cron", "every"}:
            raise InvalidArgument("cron: a schedule needs one, such as cron='0 2 * * *', or every=90")
        for name in FIELDS:
            object.__setattr__(self, name, fields.get(name, DEFAULTS.get(name)))
        self.definition()  # the arguments must fit

    def definition(self) -> str:
        """The schedule as JSON text, as declare_schedule takes it. Defaults are left out: equal schedules have equal texts."""
        values = {name: getattr(self, name) for name in FIELDS}
        given = {name: value for name, value in values.items() if value is not None and value != DEFAULTS.get(name)}
        return "{" + ",".join([*to_json(given), f'"job":{{{",".join(job_json(self.call))}}}']) + "}"


def read_call(call: Any) -> Signature[Any]:
    """What a schedule calls, as a signature.

    Raises:
        InvalidArgument: it is neither task nor signature, misses arguments, or has an option that belongs to one enqueue.
    """
    if isinstance(call, Registered):
        if required := call.parameters.required:
            raise InvalidArgument(
                f"call: task {call.name!r} needs {named(required)}; give a call with its arguments: Schedule(…, {call.name}.s(…))"
            )
        call = Signature(call, {}, call.options, immutable=True)
    if not isinstance(call, Signature):
        raise invalid("call", call, "use a task, or a call of it: report.s('eu')")
    for name in OF_ONE_CALL:
        if getattr(call.options, name) != getattr(_NONE, name):
            raise InvalidArgument(
                f"{name}: it belongs to a single enqueue; leave it out of the schedule of task {call.task.name!r}"
            )
    if isinstance(call.options.expires, datetime):
        raise invalid("expires", call.options.expires.isoformat(), "a time suits a single job; use seconds or a timedelta")
    return call


def job_json(call: Scheduled) -> list[str]:
    """The members of the JSON object `job` of a definition: the options of enqueue by name, without defaults."""
    call = read_call(call)
    return [member for member in call.fields(call.args_json()) if member not in _USUAL]


def job_defaults(task: Registered[Any], args: str) -> list[str]:
    """The members of `job` for a call of a task with these arguments, which are JSON text, and with its own options.

    Raises:
        InvalidArgument: the arguments do not fit the function.
    """
    task.parameters.load(args)
    return [member for member in Signature(task, {}, task.options, immutable=True).fields(args) if member not in _USUAL]


def own_schedule(task: Registered[Any], cron: Any, timezone: str | None) -> Schedule | None:
    """The schedule that the decorator of a task declares, with the name of the task; None if it declares none.

    Raises:
        InvalidArgument: a value is invalid, or the name of the task is no name of a schedule.
    """
    if cron is None:
        if timezone is not None:
            raise invalid("timezone", timezone, "it belongs to a schedule; give cron= too")
        return None
    return Schedule(unversioned(task.name), task, cron=cron, timezone="UTC" if timezone is None else timezone)
