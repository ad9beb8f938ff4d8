"""Index a source tree with two worker processes: `make demo`, or `make demo DIR=path`.

A workflow: one job scans the tree and adds one job per Python file, which reads it, hashes it, counts lines and functions and
measures its complexity; behind the files of each package one job reports on the package, and behind those one job on all.

    scan ─┬─► index_file ─┐
          ├─► index_file ─┴─► report_package ─┐
          ├─► index_file ─┐                   ├─► report
          └─► index_file ─┴─► report_package ─┘

A file that does not parse fails, is retried, and ends as a dead letter; the reports wait for the end of each file, whatever it
is, so they tell of the others all the same.

What a job adds is there with its own end, all of it or nothing. That is why an interrupted run needs no bookkeeping to go on:
while the workflow of a tree is unfinished, the next start only starts workers.
"""

import ast
import hashlib
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from examples.index_report import Database, console, program, show, watch
from pgqueue import JobContext, PgQueue, Retry, Workflow

# Without PGQUEUE_DATABASE_URL: a PostgreSQL server of our own, in .pgqueue.
app = PgQueue(os.environ.get("PGQUEUE_DATABASE_URL") or "embedded:")

SERVE = [sys.executable, "-m", "pgqueue", "serve", "examples.index_source:app", "--port", "0"]
WORKER = [sys.executable, "-m", "pgqueue.worker", "examples.index_source:app", "--processes", "2", "--concurrency", "4"]
NOT_SOURCE = {"site-packages", "dist-packages", "node_modules", ".venv", ".git"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.Assert, ast.comprehension, ast.match_case)

warnings.simplefilter("ignore", SyntaxWarning)  # the compiler's remarks on old code


@app.task(queue="index")
def scan(ctx: JobContext, directory: str) -> dict[str, int]:
    """Add the jobs of all files, and behind those of each package its report, for which the report on all waits."""
    packages = defaultdict(list)
    for file in source_files(Path(directory)):
        packages[package_of(file)].append(ctx.workflow.add(index_file.si(directory, file), name=short(file)))
    for package, files in packages.items():
        reporting = report_package.si(package)
        ctx.workflow.add(reporting, name=short(f"package {package}"), after=files, when="finished", before={"report": "finished"})
    return {"files": sum(map(len, packages.values())), "packages": len(packages)}


@app.task(queue="index", retry=Retry(2, backoff="fixed", delay=1))
def index_file(directory: str, file: str) -> dict[str, Any]:
    """Measure one file. A `def` runs in a thread, so heartbeats go on while it computes."""
    source = Path(directory, file).read_bytes()
    tree = ast.parse(source, file)
    functions = [(complexity(node), node.name) for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
    return {
        "file": file,
        "sha256": hashlib.sha256(source).hexdigest(),
        "lines": len(source.splitlines()),
        "functions": len(functions),
        "complexity": complexity(tree),
        "hardest": max(functions)[1] if functions else None,
    }


@app.task(queue="index")
def report_package(ctx: JobContext, package: str) -> dict[str, Any]:
    """What the files of a package add up to; those that failed have no result, and are counted."""
    files = [parent.result for parent in ctx.parents.values() if parent.state == "succeeded"]
    return {
        "package": package,
        "files": len(files),
        "failed": len(ctx.parents) - len(files),
        "lines": sum(file["lines"] for file in files),
        "functions": sum(file["functions"] for file in files),
        "complexity": sum(file["complexity"] for file in files),
        "most complex": max(files, key=lambda file: file["complexity"])["file"] if files else None,
    }


@app.task(queue="index")
def report(ctx: JobContext) -> dict[str, Any]:
    """The report on all: the packages, the largest first, and their sums."""
    packages = [parent.result for parent in ctx.parents.values() if parent.task == "report_package" and parent.result]
    sums = {name: sum(package[name] for package in packages) for name in ("files", "failed", "lines", "functions")}
    return {**sums, "packages": sorted(packages, key=lambda package: -package["lines"])}


def complexity(tree: ast.AST) -> int:
    """Cyclomatic complexity (McCabe): the number of independent paths through the code."""
    paths = 1
    for node in ast.walk(tree):
        if isinstance(node, BRANCHES):
            paths += 1
        elif isinstance(node, ast.BoolOp):
            paths += len(node.values) - 1
    return paths


def source_files(directory: Path) -> Iterator[str]:
    """The Python files of a tree, but for those that were installed into it."""
    for path in sorted(directory.rglob("*.py")):
        file = path.relative_to(directory)
        if NOT_SOURCE.isdisjoint(file.parts) and path.is_file():
            yield str(file)


def package_of(file: str) -> str:
    """The directory directly below the tree."""
    return Path(file).parts[0] if len(Path(file).parts) > 1 else "(top level)"


def short(name: str) -> str | None:
    """Names of nodes may have 200 characters; they need not have one."""
    return name if len(name) <= 200 else None


def main() -> None:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else sysconfig.get_path("stdlib")).resolve()
    from pgqueue.migrate import migrate  # here, because workers import this module too and have no use for it

    migrate(app.url, app.settings.schema_name)
    with Database(app) as database:
        unfinished = database.unfinished(name_of(directory))
        run = app.get_workflow(unfinished) if unfinished else begin(directory)
        if unfinished:
            console.print(
                f"[bold]Going on with {directory}[/bold]: {run.progress.open:,} of {run.progress.nodes:,} jobs are left."
            )
        started = database.now()
        with dashboard():
            try:
                with worker_processes() as worker:
                    watch(run, worker, is_new=unfinished is None)
            except KeyboardInterrupt:
                console.print("Stopped. What is left stays in the queue: the same command goes on with it.")
                sys.exit(130)
            show(database, run, started)
            if is_looked_at():
                stay()
    console.print(
        "\nAll of it in the dashboard, http://127.0.0.1:8000/, and by REST, http://127.0.0.1:8000/api/v1/stats:\n"
        f"  [bold]{program('pgqueue')} serve examples.index_source:app[/bold]"
    )


def begin(directory: Path) -> Workflow[Any]:
    """Enqueue the workflow of a tree; scan adds the rest of it."""
    if next(source_files(directory), None) is None:
        sys.exit(f"{directory} has no Python files")
    flow = app.workflow(name_of(directory))
    flow.add(scan, (str(directory),), name="scan")
    flow.add(report, name="report", after="scan")
    console.print(f"[bold]Indexing {directory}[/bold]")
    return flow.enqueue()


def name_of(directory: Path) -> str:
    """By which a run of this tree is found again."""
    return f"index {directory}"[-200:]


def is_looked_at() -> bool:
    """Whether somebody sits at a terminal: the run is over before they have opened a browser."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def stay() -> None:
    """Leave the dashboard there until Enter or Ctrl-C."""
    try:
        console.input("\nThe dashboard stays until you press [bold]Enter[/bold]. ")
    except (EOFError, KeyboardInterrupt):
        console.print()


@contextmanager
def dashboard() -> Iterator[None]:
    """The dashboard for as long as the block takes, on any free port of this machine; nothing waits until it is there."""
    with tempfile.NamedTemporaryFile(prefix="pgqueue-dashboard-", suffix=".log", delete=False) as log:
        server = subprocess.Popen(SERVE, stdout=log, stderr=log, process_group=0)  # noqa: S603  # a fixed command
    is_over = threading.Event()
    threading.Thread(target=say_where, args=(Path(log.name), is_over), daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
        _end(server)


def say_where(log: Path, is_over: threading.Event) -> None:
    """Say where the dashboard is, once its log says so; without it the demo works all the same."""
    while not is_over.wait(0.1):
        if found := re.search(r"serving (http://[^ ]+)", log.read_text()):
            how_long = "" if is_looked_at() else ", as long as this takes"
            console.print(f"Watch it in the dashboard{how_long}: [bold]{found[1]}/[/bold]")
            return


@contextmanager
def worker_processes() -> Iterator[subprocess.Popen[bytes]]:
    """Two worker processes for as long as the block takes. They stop gracefully; a second Ctrl-C stops them at once."""
    with tempfile.NamedTemporaryFile(prefix="pgqueue-demo-", suffix=".log", delete=False) as log:
        # A group of its own: Ctrl-C is for us alone.
        worker = subprocess.Popen(WORKER, stderr=log, process_group=0)  # noqa: S603  # a fixed command
    console.print(f"Two worker processes are at it; their logs: {log.name}\n")
    try:
        yield worker
    finally:
        _end(worker)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process gracefully; a second Ctrl-C stops it at once."""
    try:
        process.terminate()
        process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM stops as cleanly as Ctrl-C
    main()
