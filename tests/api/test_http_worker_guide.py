"""The guide to HTTP workers and the worker in Node do what they say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

from tests.waiting import until

ROOT = Path(__file__).parents[2]
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
Db = psycopg.Connection[Any]


def test_the_guide_to_http_workers_does_what_it_says(base_url: str, database_url: str, connection: Db) -> None:
    commands = "\n".join(SHELL.findall((ROOT / "docs/http-workers.md").read_text()))
    script = 'set -e\ncurl() { command curl --fail-with-body "$@"; echo; }\n' + commands.replace(
        "http://127.0.0.1:8000", base_url
    )
    paths = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PGQUEUE_DATABASE_URL": database_url, "PATH": paths, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in ('"heartbeat_every":10.0', '"task":"mail.send"', '{"steps":{"rendered": {"pages": 3}}}', '{"gave_back":[]}'):
        assert said in done.stdout
    assert connection.execute("select state::text, progress->>'note' from jobs where id = 1").fetchone() == ("succeeded", None)
    assert connection.execute("select message from job_log").fetchall() == [("sending",)]


def test_the_worker_in_node_runs_jobs(base_url: str, connection: Db) -> None:
    node = [found] if (found := shutil.which("node")) else [sys.executable, "-m", "nodejs"]
    connection.execute("""select enqueue('text.upper', jsonb_build_object('text', 'n' || n)) from generate_series(1, 20) n""")
    connection.execute("select enqueue('text.fail', retries => 0), enqueue('unknown')")
    process = subprocess.Popen([*node, str(ROOT / "examples/worker.mjs"), base_url])
    try:
        unsettled = "select id from jobs where state in ('ready', 'running')"
        until(lambda: not connection.execute(unsettled).fetchall(), "an outcome of each job")
        process.terminate()
        assert process.wait(15) == 0
    finally:
        process.kill()
    assert connection.execute("select count(*), min(value #>> '{}') from job_result").fetchone() == (20, "N1")
    assert connection.execute("select error_type from dead_letter").fetchone() == ("TypeError",)
    assert connection.execute("select state::text from job where task = 'unknown'").fetchone() == ("scheduled",)
    assert connection.execute("select 1 from worker where name = 'node'").fetchone() is None
