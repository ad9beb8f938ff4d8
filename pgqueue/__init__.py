"""pgqueue: a job queue whose only server is PostgreSQL.

The names are those of `pgqueue.public`. They are imported when the first is used, because the driver and the models behind them
take several times as long as the start of a command that needs none of them, such as `pgqueue --help`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .version import __version__ as __version__

if TYPE_CHECKING:
    from .public import *  # noqa: F403
    from .public import __all__ as __all__
else:  # not for type checkers, which would take every name for one of ours

    def __getattr__(name):
        if name != "__all__" and name.startswith("__"):  # what Python asks any module
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if (module := _submodule(name)) is not None:
            return module
        try:
            value = globals()[name] = getattr(_submodule("public"), name)
        except AttributeError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        return value

    def __dir__():
        return sorted({*globals(), *__getattr__("__all__")})

    def _submodule(name):
        """A module of the package, which shall not wait for all others: `from . import NAME` asks us for it first."""
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name == f"{__name__}.{name}":
                return None
            raise
