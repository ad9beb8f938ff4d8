"""JSON by orjson where it is installed, by the standard library elsewhere; both refuse what JSON does not have."""

import math
from collections.abc import Callable
from typing import Any

loads: Callable[[str | bytes], Any]

try:
    import orjson
except ImportError:
    import json

    def dumps(value: Any) -> str:
        """Value as JSON text. Raises TypeError or ValueError for what is not JSON."""
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        text.encode()  # half a surrogate pair raises UnicodeEncodeError, which is a ValueError
        return text

    loads = json.loads
else:
    _PLAIN = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS

    def dumps(value: Any) -> str:
        """Value as JSON text. Raises TypeError or ValueError for what is not JSON."""
        text = orjson.dumps(value, option=_PLAIN).decode()
        if "null" in text:  # so does orjson write what JSON does not have
            _refuse_nan(value)
        return text

    def _refuse_nan(value: Any) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is not JSON")
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, list | tuple):
            return
        for part in value:
            _refuse_nan(part)

    loads = orjson.loads
