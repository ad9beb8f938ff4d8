"""pg-boss (npm pg-boss): batches, without a pause while they come back full, woken by LISTEN. Keeps finished jobs: its default.

The worker, and the producer with its own `insert` and `send`, are pgboss.mjs beside this file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.node import FOLDER, install_packages, node
from benchmarks.peers import Peer

SCRIPT = Path(__file__).with_name("pgboss.mjs")


class _PgBoss(Peer):
    name = "pgboss"
    history = True
    concurrency = 1_000
    most_jobs = 300_000
    unfinished_query = "SELECT count(*) FROM pgboss.job WHERE state < 'completed'"
    insert = "INSERT INTO pgboss.job (name, data) VALUES ('noop', '{\"sent_at\": 0}') RETURNING id"

    def version(self) -> str:
        install_packages("pg-boss")
        return str(json.loads((FOLDER / "node_modules" / "pg-boss" / "package.json").read_text())["version"])

    def script(self) -> Sequence[str]:
        return (node(), str(SCRIPT))


SYSTEM = _PgBoss()
