"""The forms of a queue as bodies of the API."""

from typing import Any

from ..form import Form

FLAGS = ("keep_succeeded", "keep_cancelled")
NUMBERS = ("max_ready", "starvation_after", "starvation_share", "dead_days")


def end_of(form: Form) -> dict[str, Any]:
    """Until when, and why: `for_hours`, or nothing for a pause without an end."""
    given = form.text("for_minutes")
    return {"reason": form.text("reason"), "for_seconds": None if given is None else _number(given, 60)}


def settings_of(form: Form) -> dict[str, Any]:
    """All settings; an empty field is the default."""
    numbers = {field: None if (text := form.text(field)) is None else _number(text) for field in NUMBERS}
    flags = {field: form.get(field) == "yes" for field in FLAGS}
    return {"on_full": form.text("on_full"), **numbers, **flags}


def _number(text: str, times: int = 1) -> float | int | str:
    """A number; other text as it is, so that the API says what is wrong with it."""
    try:
        number = float(text) * times
    except ValueError:
        return text
    return int(number) if number.is_integer() else number
