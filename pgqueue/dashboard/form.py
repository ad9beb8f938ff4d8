"""Forms as browsers send them."""

from math import isfinite
from urllib.parse import parse_qsl

from ..api.guard import ExactRequest
from ..api.problems import Problem

MOST_FIELDS = 2000
_TYPE = "application/x-www-form-urlencoded"


class Form(dict[str, str]):
    """The fields of a form by name; of a field that is there several times, the last value.

    Attributes:
        pairs: all fields, in their order.
    """

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def all(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for one, value in self.pairs if one == name]

    def text(self, name: str) -> str | None:
        """The value of a field without spaces around it; None if nothing was written into it."""
        return self.get(name, "").strip() or None

    def number(self, name: str, times: int = 1) -> int | float | str | None:
        """The number in a field, so many times; None if nothing was written into it.

        What is no number is the text as it is: the API says what is wrong with it.
        """
        text = self.text(name)
        try:
            found = None if text is None else float(text) * times
        except ValueError:
            return text
        if found is None or not isfinite(found):  # JSON has no NaN, and would say nothing of it
            return text
        return int(found) if found.is_integer() else found


async def read_form(request: ExactRequest) -> Form:
    """The form of a request. Raises Problem if it has none, or one that is too large."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise Problem("unsupported-media-type", f"the body must be a form, with the header Content-Type: {_TYPE}")
    body = await request.body()
    try:
        return Form(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"))
    except ValueError:
        raise Problem("invalid", f"the form cannot be read: it is no UTF-8, or has more than {MOST_FIELDS:,} fields") from None
