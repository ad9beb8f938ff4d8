"""The schedules of an app: declared in code, changed and read at run time."""

from collections.abc import Callable

from .._checks import invalid
from ..client import Client
from ..errors import ConfigurationError
from .schedule import Schedule


class Schedules:
    """The type of `app.schedules`.

    Args:
        client: runs the calls on the install.
        assert_open: raises ConfigurationError if no more schedules can be declared.

    Attributes:
        declared: the schedules that code has declared, by name. Workers send them to the database when they start. Fields that
            people have set since stay until the declaration of that field changes; a pause stays in any case.
    """

    def __init__(self, client: Client, assert_open: Callable[[str], None]) -> None:
        self._client, self._assert_open = client, assert_open
        self.declared: dict[str, Schedule] = {}

    def declare(self, schedule: Schedule) -> None:
        """Declare a schedule, as `@app.task(cron=…)` does.

        Raises:
            ConfigurationError: it was declared with other values, or a worker of this app has started.
        """
        if not isinstance(schedule, Schedule):
            raise invalid("schedule", schedule, "use a Schedule, for example Schedule('nightly', report, cron='0 2 * * *')")
        known = self.declared.get(schedule.name)
        if known is None:
            self._assert_open(f"schedule {schedule.name!r}")
            self.declared[schedule.name] = schedule
        elif known.definition() != schedule.definition():
            raise ConfigurationError(
                f"schedule {schedule.name!r}: it is declared as {known.definition()} and as {schedule.definition()}; "
                "declare it once, or give one of them another name"
            )

    def __repr__(self) -> str:
        return f"Schedules(declared={sorted(self.declared)})"
