"""Calls about figures of what has ended; see sql/functions/metrics."""

from ..call import WHOLE, Call, one_value


def roll_up() -> Call[float]:
    """Bring the roll-ups up to date, unless another worker is at it. Returns the seconds until the next call."""
    return Call("select {schema}.roll_up()", (), one_value, within=WHOLE)
