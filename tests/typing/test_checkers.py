"""mypy and pyright see what a task takes and returns: they accept good.py and refuse the marked lines of bad.py."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EXAMPLES = [HERE / "good.py", HERE / "bad.py"]
Place = tuple[str, int]


def marked() -> set[Place]:
    """The lines that must have an error."""
    lines = enumerate((HERE / "bad.py").read_text().splitlines(), start=1)
    return {("bad.py", number) for number, line in lines if line.endswith("# error")}


def _run(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout + done.stderr  # errors were found; anything else went wrong
    return done.stdout


def mypy_errors(cache: Path) -> set[Place]:
    said = _run("mypy", "--strict", "--no-pretty", "--cache-dir", str(cache), *map(str, EXAMPLES))
    return {(Path(file).name, int(line)) for file, line in re.findall(r"^(\S+):(\d+): error: ", said, re.MULTILINE)}


def pyright_errors(folder: Path) -> set[Place]:
    settings = {"typeCheckingMode": "standard", "include": [str(file) for file in EXAMPLES], "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    said = json.loads(_run("basedpyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(folder)))
    assert said["summary"]["filesAnalyzed"] == len(EXAMPLES)
    found = [(Path(one["file"]).name, one) for one in said["generalDiagnostics"]]
    return {(name, one["range"]["start"]["line"] + 1) for name, one in found if one["severity"] == "error"}


def test_mypy_refuses_the_marked_lines_and_no_other(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)  # there is none with `-p no:cacheprovider`
    assert mypy_errors(cache.mkdir("mypy") if cache else tmp_path) == marked()


def test_pyright_refuses_the_marked_lines_and_no_other(tmp_path: Path) -> None:
    assert pyright_errors(tmp_path) == marked()
