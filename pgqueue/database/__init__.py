"""The only place that calls SQL: one function per SQL function in `calls/`, two ways to run a call in `pools` and `link`."""

from .call import Call
from .link import Link
from .pools import AsyncPool, SyncPool

__all__ = ["AsyncPool", "Call", "Link", "SyncPool"]
