"""How much memory a process uses, as another process sees it."""

import psutil


def rss(pid: int) -> int:
    """Bytes of the resident memory of a process; 0 if it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
