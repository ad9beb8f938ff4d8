"""What an entry of the audit log has changed: its values before and after, side by side."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..render import json_text


class Change(NamedTuple):
    """One value.

    Attributes:
        name: of the value; empty if it is all there is.
        before, after: as text; None = it was not there, or nothing is said of it.
    """

    name: str
    before: str | None
    after: str | None

    @property
    def is_short(self) -> bool:
        """Whether it is one value, not an object or a list as JSON."""
        return not any(text and text[0] in "{[" for text in (self.before, self.after))


def changes_of(before: Any, after: Any) -> list[Change]:
    """The values that differ, in the order of `after`, then what only was there before."""
    was, now = _members(before), _members(after)
    names = [*now, *(name for name in was if name not in now)]
    return [Change(name, _text(was, name), _text(now, name)) for name in names if name not in now or was.get(name) != now[name]]


def _members(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {} if value is None else {"": value}


def _text(members: Mapping[str, Any], name: str) -> str | None:
    if name not in members:
        return None
    value = members[name]
    return value if isinstance(value, str) else json_text(value, indented=False)
