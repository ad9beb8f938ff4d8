"""How long a worker that hears notifications may sleep when none comes: the more workers look, the more rarely each of them."""

MOST = 10.0  # times as long as alone; jobs that are due sooner than that are announced, see wake_for
MOST_UPKEEP = 3.0  # the same for work for the whole install: if all others are lost, the last one does it after a lease at most
EACH = 4  # so many looks are made in the time that a worker alone would sleep


def stretched(workers: int, is_hearing: bool, most: float = MOST) -> float:
    """How many times as long as alone each of so many workers sleeps; 1.0 for one that hears no notifications."""
    return max(1.0, min(most, workers / EACH)) if is_hearing else 1.0
