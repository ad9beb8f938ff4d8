"""The wheel works without the checkout: migrate, a job, a worker."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

CHECKOUT = Path(__file__).parents[1]
DISTRIBUTION = "pgqueue-native"  # PyPI has an unrelated `pgqueue`
APP = """
from pgqueue import PgQueue

app = PgQueue()


@app.task
def double(number: int) -> int:
    return 2 * number
"""
Run = Callable[..., str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(CHECKOUT)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies are those of the environment that runs the tests."""
    directory = tmp_path_factory.mktemp("venv")
    venv.create(directory)
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(directory / "bin/python"),
        "install",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    # A path in a .pth file comes after the environment's own, and .pth files in it (the editable install) are not read.
    (packages,) = directory.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return directory / "bin"


def test_the_wheel_holds_the_rules_the_migrations_and_the_types(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for directory in ("sql", "migrations"):
        files = (path for path in (CHECKOUT / directory).rglob("*") if path.suffix in (".sql", ".py", ".mako"))
        assert {f"pgqueue/{path.relative_to(CHECKOUT)}" for path in files} <= set(names)
    shown = [path for path in (CHECKOUT / "pgqueue/dashboard").rglob("*.*") if path.suffix not in (".py", ".pyc")]
    assert {str(path.relative_to(CHECKOUT)) for path in shown} <= set(names)
    assert "pytest_pgqueue.py" in names
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "examples"))]


def test_the_distribution_is_not_named_like_the_unrelated_package_on_pypi(wheel: Path) -> None:
    (metadata,) = (name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA"))
    assert f"\nName: {DISTRIBUTION}\n" in zipfile.ZipFile(wheel).read(metadata).decode()


def test_no_text_tells_people_to_install_the_unrelated_package() -> None:
    asking = re.compile(r"""pip3? +install\b[^\n#]*?["' ]pgqueue(?![-\w./:])|["'`]pgqueue\[|version\(["']pgqueue["']\)""")
    texts = (".md", ".py", ".toml", ".yml", ".txt", "")
    directories = (CHECKOUT / name for name in ("benchmarks", "docs", "examples", "migrations", "pgqueue", "sql", "tests"))
    inside = (path for directory in directories for path in directory.rglob("*"))
    files = [path for path in (*CHECKOUT.iterdir(), *inside) if path.suffix in texts and path.is_file() and path.name != ".git"]
    assert len(files) > 100
    found = {str(file.relative_to(CHECKOUT)): asking.findall(file.read_text(encoding="utf-8")) for file in files}
    assert {name: what for name, what in found.items() if what} == {}


def test_serve_shows_the_dashboard_with_its_styles_and_scripts(installed: Path, database_url: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PGQUEUE_DATABASE_URL"] = database_url
    command = [str(installed / "pgqueue"), "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            url = re.search(r"serving (http://\S+) of", process.stdout.readline())
            assert url
            with httpx.Client(base_url=url[1], transport=httpx.HTTPTransport(retries=5), timeout=20) as client:
                page = client.get("/audit")
                assert page.status_code == 200
                named = re.findall(r'(?:src|href)="\./(static/[^"]+)"', page.text)
                assert len(named) >= 5
                assert {client.get(f"/{path}").status_code for path in named} == {200}
        finally:
            process.terminate()


def test_migrate_a_worker_and_a_job(installed: Path, empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(APP)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PGQUEUE_DATABASE_URL"] = empty_database_url

    def run(*command: str) -> str:
        command = (str(installed / command[0]), *command[1:])
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, text=True, stdout=subprocess.PIPE).stdout

    assert run("python", "-c", "import pgqueue; print(pgqueue.__file__)").startswith(str(installed.parent))
    version = "import importlib.metadata, pgqueue; assert importlib.metadata.version('pgqueue-native') == pgqueue.__version__"
    run("python", "-c", version)
    assert run("pgqueue", "migrate", "--sql", "--schema", "other").count("create table job (") == 1
    assert run("pgqueue", "migrate") == "schema pgqueue: migrated\n"
    assert run("pgqueue", "enqueue", "double", '{"number": 21}') == "job 1\n"
    run("pgqueue", "worker", "shop:app", "--burst")
    assert re.search(r"^result +42$", run("pgqueue", "job", "1"), re.M)
    assert run("pgqueue", "enqueue", "double", '{"number": 4}') == "job 2\n"
    run("python", "-m", "pgqueue.worker", "shop", "--burst", "--processes", "2")
    assert re.search(r"^result +8$", run("pgqueue", "job", "2"), re.M)
