"""Index a source tree with two worker processes: `make demo`, or `make demo DIR=path`.

One job per Python file: read it, hash it, count lines and functions, measure its complexity. What a job returns is stored as its
result. A file that does not parse fails, is retried, and ends as a dead letter.

All files of a tree are enqueued by one statement, so a run is in the queue as a whole or not at all. That is why an interrupted
run needs no bookkeeping to go on: while jobs of a tree are unfinished, the next start only starts workers.
"""

import ast
import hashlib
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from examples.index_report import Database, console, report, watch
from pgqueue import PgQueue, Retry

# Without PGQUEUE_DATABASE_URL: a PostgreSQL server of our own, in .pgqueue.
app = PgQueue(os.environ.get("PGQUEUE_DATABASE_URL") or "embedded:")

WORKER = [sys.executable, "-m", "pgqueue.worker", "examples.index_source:app", "--processes", "2", "--concurrency", "4"]
NOT_SOURCE = {"site-packages", "dist-packages", "node_modules", ".venv", ".git"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.Assert, ast.comprehension, ast.match_case)

warnings.simplefilter("ignore", SyntaxWarning)  # the compiler's remarks on old code


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


def complexity(tree: ast.AST) -> int:
    """Cyclomatic complexity (McCabe): the number of independent paths through the code."""
    paths = 1
    for node in ast.walk(tree):
        if isinstance(node, BRANCHES):
            paths += 1
        elif isinstance(node, ast.BoolOp):
            paths += len(node.values) - 1
    return paths


def main() -> None:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else sysconfig.get_path("stdlib")).resolve()
    from pgqueue.migrate import migrate  # here, because workers import this module too and have no use for it

    migrate(app.url, app.settings.schema_name)
    with Database(app) as database:
        run = database.unfinished_run(str(directory))
        if run:
            now = database.progress(run)
            console.print(
                f"[bold]Going on with {directory}[/bold]: {now['total'] - now['done']:,} of {now['total']:,} files are left."
            )
        else:
            run = enqueue_all(directory)
        started = database.now()
        try:
            with worker_processes() as worker:
                watch(database, run, worker)
        except KeyboardInterrupt:
            console.print("Stopped. What is left stays in the queue: the same command goes on with it.")
            sys.exit(130)
        report(database, run, started)


def enqueue_all(directory: Path) -> str:
    """Add a job for every file, all or none; the run they belong to."""
    files = [str(path.relative_to(directory)) for path in sorted(directory.rglob("*.py")) if path.is_file()]
    files = [file for file in files if NOT_SOURCE.isdisjoint(Path(file).parts)]
    if not files:
        sys.exit(f"{directory} has no Python files")
    run = str(uuid.uuid4())
    task = index_file.using(meta={"run": run, "directory": str(directory)})
    task.enqueue_many([(str(directory), file) for file in files])
    console.print(f"[bold]Indexing {directory}[/bold]: {len(files):,} files, one job each.")
    return run


@contextmanager
def worker_processes() -> Iterator[subprocess.Popen[bytes]]:
    """Two worker processes for as long as the block takes. They stop gracefully; a second Ctrl-C stops them at once."""
    with tempfile.NamedTemporaryFile(prefix="pgqueue-demo-", suffix=".log", delete=False) as log:
        worker = subprocess.Popen(WORKER, stderr=log, process_group=0)  # a group of its own: Ctrl-C is for us alone
    console.print(f"Two worker processes are at it; their logs: {log.name}\n")
    try:
        yield worker
    finally:
        try:
            worker.terminate()
            worker.wait()
        except KeyboardInterrupt:
            worker.terminate()
            worker.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM stops as cleanly as Ctrl-C
    main()
