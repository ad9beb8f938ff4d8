"""What a person may have meant whose worker would not find its tasks: a "did you mean" for the message."""

import os
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

MOST_FILES = 500
MOST_BYTES = 200_000  # of a file
DEEPEST = 3  # folders below the first one
NOT_CODE = {"venv", "env", "node_modules", "site-packages", "build", "dist"}


def meant_app(module: ModuleType, attribute: str, kind: type) -> str:
    """A suggestion of another app: one of the module, which has tasks if this one is there, or the same with another file's."""
    is_there = hasattr(module, attribute)
    others = [
        other for other, app in vars(module).items() if isinstance(app, kind) and (getattr(app, "tasks", None) or not is_there)
    ]
    found = [f"{module.__name__}:{other}" for other in others if other != attribute]
    return _suggestion(found or [f"{near}:{attribute}" for near in _with_tasks(module, attribute)])


def meant_module(name: str) -> str:
    """A suggestion of a module of the current directory whose name is like this one."""
    root = Path.cwd()
    names = (_module_name(file, root) for file in _python_files(root))
    return _suggestion(get_close_matches(name, filter(None, names), n=1, cutoff=0.7))


def meant_task(name: str, tasks: Iterable[str]) -> str:
    """A suggestion of a task whose name is like this one."""
    return _suggestion([repr(near) for near in get_close_matches(name, tasks, n=1, cutoff=0.7)])


def _suggestion(found: list[str]) -> str:
    return f"; did you mean {found[0]}?" if found else ""


def _with_tasks(module: ModuleType, attribute: str) -> Iterator[str]:
    """The modules beside this one that decorate functions with the tasks of this name."""
    file = Path(module.__file__ or os.devnull)
    root = file.parents[module.__name__.count(".") + (file.name == "__init__.py")] if module.__file__ else file.parent
    decorated = re.compile(rf"^@{re.escape(attribute)}\.task\b", re.MULTILINE)
    for near in _python_files(file.parent) if module.__file__ else ():
        name = _module_name(near, root)
        if name and name != module.__name__ and decorated.search(_text_of(near)):
            yield name


def _python_files(folder: Path) -> Iterator[Path]:
    """Some hundred files at most: this is for a message."""
    found = 0
    for path, folders, files in os.walk(folder):
        deep = len(Path(path).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if deep < DEEPEST and name.isidentifier() and name not in NOT_CODE)
        for file in sorted(files):
            if file.endswith(".py"):
                yield Path(path, file)
                found += 1
                if found == MOST_FILES:
                    return


def _module_name(file: Path, root: Path) -> str | None:
    parts = list(file.relative_to(root).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None


def _text_of(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""
