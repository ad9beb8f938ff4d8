"""Chancy (PyPI chancy), on psycopg: async executor, eager polling. Finished jobs are kept until its pruner's rules delete them.

The worker is peers/chancy.py.
"""

from __future__ import annotations

from benchmarks.options import CONCURRENCY
from benchmarks.peers import Peer


class _Chancy(Peer):
    name = "chancy"
    history = True
    concurrency = CONCURRENCY
    most_jobs = 40_000
    unfinished_query = "SELECT count(*) FROM chancy_jobs WHERE state NOT IN ('succeeded', 'failed', 'expired')"
    insert = "INSERT INTO chancy_jobs (id, queue, func, kwargs) VALUES (gen_random_uuid(), 'default', 'noop', '{}') RETURNING id"


SYSTEM = _Chancy()
