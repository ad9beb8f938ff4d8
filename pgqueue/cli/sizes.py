"""Sizes of memory on the command line."""

import re

from ..errors import ConfigurationError

UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "KI": 1024, "MI": 1024**2, "GI": 1024**3}
LEAST = 1_000_000  # bytes; without a unit, "512" was meant to be 512MB
MOST = 2**63 - 1  # bytes; no machine has as many
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]I?)?B?", re.IGNORECASE)


def read_size(field: str, text: str | None) -> int | None:
    """A number of bytes, with KB, MB or GB (1000), or KiB, MiB or GiB (1024); None for None.

    Raises:
        ConfigurationError: it is none, or below 1 MB: a Python process needs more, and "512" was meant to be 512MB.
    """
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip())
    size = float(found[1]) * UNITS[(found[2] or "").upper()] if found else 0.0
    if not LEAST <= size <= MOST:
        raise ConfigurationError(
            f"{field}: {text[:200]!r} is not valid; use a size of 1MB or more with its unit, such as 512MB or 1GiB"
        )
    return int(size)
