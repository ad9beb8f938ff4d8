"""The retry rules of the tasks of an app, as a retry of their jobs takes them."""

from collections.abc import Mapping
from typing import Any, Literal

from .._checks import invalid
from .._json import dumps
from ..registry import Registered
from ..retry import Retry

Rules = Literal["job", "task"]


def rules_json(tasks: Mapping[str, Registered[Any]], rules: Rules) -> str | None:
    """The retry policy of each task by its name, as JSON text; None = each job keeps the policy that it was enqueued with.

    Args:
        tasks: the tasks of the app.
        rules: "job", or "task" for the policies that the tasks have now, in this process. Jobs of other tasks keep their own.

    Raises:
        InvalidArgument: rules is neither.
    """
    if rules not in ("job", "task"):
        raise invalid("rules", rules, "use 'job', the rules that the job was enqueued with, or 'task', those of its task now")
    return None if rules == "job" else dumps({name: _rules_of(task.options.retry or Retry()) for name, task in tasks.items()})


def _rules_of(policy: Retry) -> dict[str, Any]:
    return {"retry": policy.policy(), "max_attempts": policy.retries + 1}
