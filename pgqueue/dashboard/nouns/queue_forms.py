"""The forms of a queue as bodies of the API."""

from typing import Any

from ..form import Form

FLAGS = ("keep_succeeded", "keep_cancelled")
NUMBERS = ("max_ready", "starvation_after", "starvation_share", "dead_days")


def end_of(form: Form) -> dict[str, Any]:
    """Until when, and why: `for_seconds`, or nothing for a pause without an end."""
    return {"reason": form.text("reason"), "for_seconds": form.number("for_minutes", 60)}


def settings_of(form: Form) -> dict[str, Any]:
    """All settings; an empty field is the default."""
    numbers = {field: form.number(field) for field in NUMBERS}
    flags = {field: form.get(field) == "yes" for field in FLAGS}
    return {"on_full": form.text("on_full"), **numbers, **flags}
