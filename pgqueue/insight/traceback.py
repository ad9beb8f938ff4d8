"""Tracebacks in parts: the frames of the application's own code stand out, those of libraries are folded."""

import re
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["own", "library", "text"]
_FRAME = re.compile(r'(?P<indent>[\s|+-]*)File "(?P<file>[^"]+)", line \d+')
_INDENT = re.compile(r"[\s|+-]*")
_REPEATED = "[Previous line repeated"
# Packages that were installed, and Python's own modules.
_LIBRARY = re.compile(
    r"^<frozen |[\\/](?:site|dist)-packages[\\/]|[\\/]lib(?:64)?[\\/]python\d|[\\/]python\d+[\\/]lib[\\/]", re.IGNORECASE
)
_PACKAGE = Path(__file__).parents[1]


class Part(NamedTuple):
    """Lines of a traceback that belong together.

    Attributes:
        kind: own: frames of the application; library: frames of others; text: what stands between frames, such as the error.
        text: the lines.
        frames: how many frames.
    """

    kind: Kind
    text: str
    frames: int


def parts_of(traceback: str | None) -> list[Part]:
    """The parts of a traceback, in its order. One that Python has not written is one text."""
    pieces = _pieces((traceback or "").splitlines())
    found = []
    for kind, run in groupby(pieces, key=lambda piece: piece[0]):
        lines = [line for _, piece in run for line in piece]
        frames = 0 if kind == "text" else sum(bool(_FRAME.match(line)) for line in lines)
        found.append(Part(kind, "\n".join(lines), frames))
    return found


def folded(traceback: str) -> list[str | int]:
    """A traceback in texts, with the number of frames in place of those by which pgqueue has called the application.

    What stands between ours, such as the threads of Python, is folded with them. A traceback without code of the application is
    whole: then ours are what it is about.
    """
    pieces = _pieces(traceback.splitlines())
    if not any(kind == "own" for kind, _ in pieces):
        return [traceback]
    found: list[str | int] = []
    for is_library, run in groupby(pieces, key=lambda piece: piece[0] == "library"):
        frames = [lines for _, lines in run]
        ours = [n for n, lines in enumerate(frames) if is_library and _is_ours(lines[0])]
        first, end = (ours[0], ours[-1] + 1) if ours else (len(frames), len(frames))
        found += ["\n".join(lines) for lines in frames[:first]]
        found += [end - first] if ours else []
        found += ["\n".join(lines) for lines in frames[end:]]
    return found


def said_frames(count: int) -> str:
    """The words for frames that are folded."""
    return f"{count} frame{'s' * (count != 1)} of pgqueue"


def _pieces(lines: list[str]) -> list[tuple[Kind, list[str]]]:
    """Each frame with its lines of code, and each other line."""
    pieces = list[tuple[Kind, list[str]]]()
    within = -1  # how far the frame is indented to which a line may belong
    for line in lines:
        if frame := _FRAME.match(line):
            within = len(frame["indent"])
            pieces.append(("library" if is_library(frame["file"]) else "own", [line]))
        elif within >= 0 and _belongs(line, within):
            pieces[-1][1].append(line)
        else:
            within = -1
            pieces.append(("text", [line]))
    return pieces


def _belongs(line: str, within: int) -> bool:
    indent = _INDENT.match(line)
    its = 0 if indent is None else indent.end()
    return its > within or (its == within and line[its:].startswith(_REPEATED))


def is_library(file: str) -> bool:
    """Whether a file is no code of the application: installed, of Python, or of pgqueue."""
    return bool(_LIBRARY.search(file)) or _is_own_file(file)


def _is_ours(line: str) -> bool:
    """Whether the first line of a frame names a file of pgqueue."""
    frame = _FRAME.match(line)
    return frame is not None and _is_own_file(frame["file"])


def _is_own_file(file: str) -> bool:
    _, is_below, own = file.replace("\\", "/").rpartition("/pgqueue/")
    return bool(is_below) and own in _own_files()


@cache
def _own_files() -> frozenset[str]:
    """Ours, by their paths: an application may have a folder of this name, too."""
    return frozenset(file.relative_to(_PACKAGE).as_posix() for file in _PACKAGE.rglob("*.py"))
