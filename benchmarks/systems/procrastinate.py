"""Procrastinate (PyPI procrastinate), on psycopg: its default connector. Finished jobs and their events are kept: its default.

It takes and finishes jobs one by one, about 3 ms of processor time for each. The worker is peers/procrastinate.py.
"""

from __future__ import annotations

from benchmarks.peers import Peer


class _Procrastinate(Peer):
    name = "procrastinate"
    history = True
    concurrency = 30
    most_jobs = 10_000
    unfinished_query = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
    insert = (
        "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, attempts)"
        " VALUES ('default', 'noop', 0, '{\"sent_at\": 0}', 0) RETURNING id"
    )


SYSTEM = _Procrastinate()
