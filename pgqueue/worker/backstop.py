"""How long a worker that hears of jobs may sleep when nothing wakes it: the more workers look, the more rarely each of them."""

MOST = 5.0  # times as long as alone; jobs that are due sooner than that are announced, see wake_for
EACH = 4  # so many looks are made in the time that a worker alone would sleep


def stretched(workers: int, is_hearing: bool) -> float:
    """How many times as long as alone each of so many workers sleeps; 1.0 for one that hears no notifications."""
    return max(1.0, min(MOST, workers / EACH)) if is_hearing else 1.0
