"""JSON by orjson where it is installed, by the standard library elsewhere; both refuse what JSON does not have."""

from collections.abc import Callable
from typing import Any

loads: Callable[[str | bytes], Any]

try:
    import orjson
except ImportError:
    import json

    def dumps(value: Any) -> str:
        """Value as JSON text. Raises TypeError or ValueError for what is not JSON."""
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))

    loads = json.loads
else:
    _PLAIN = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS

    def dumps(value: Any) -> str:
        """Value as JSON text. Raises TypeError for what is not JSON."""
        return orjson.dumps(value, option=_PLAIN).decode()

    loads = orjson.loads
