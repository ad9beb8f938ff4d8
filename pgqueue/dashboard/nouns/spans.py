"""The times that charts are about, each with the step that makes a picture of 15 to 120 points."""

from typing import NamedTuple


class Span(NamedTuple):
    """A time until now.

    Attributes:
        name: as in an address: 15m, 24h.
        words: as in a sentence.
        since: for the API.
        step: seconds of a step.
    """

    name: str
    words: str
    since: str
    step: int


SPANS = (
    Span("15m", "15 minutes", "-15m", 60),
    Span("1h", "hour", "-1h", 60),
    Span("6h", "6 hours", "-6h", 300),
    Span("24h", "24 hours", "-24h", 900),
    Span("7d", "7 days", "-7d", 7200),
    Span("30d", "30 days", "-30d", 21_600),
)
USUAL = SPANS[1]


def span_of(name: str | None) -> Span:
    """The span of a name; the usual one if there is none of this name."""
    return next((span for span in SPANS if span.name == name), USUAL)
