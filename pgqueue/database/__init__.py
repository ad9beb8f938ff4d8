"""The only place that calls SQL: one function per SQL function in `calls/`, `pools` and `link` are two ways to run a call."""

from .call import Call
from .connections import Connections
from .link import Link
from .pools import AsyncPool, SyncPool

__all__ = ["AsyncPool", "Call", "Connections", "Link", "SyncPool"]
