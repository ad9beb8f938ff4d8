"""The logs of workers."""

from .configure import Format, Given, close, configure, given, reconfigure, settled
from .current import fields
from .formats import extra_of

__all__ = ["Format", "Given", "close", "configure", "extra_of", "fields", "given", "reconfigure", "settled"]
