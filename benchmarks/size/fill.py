"""An install as of a busy company, written straight into its tables where that is equivalent."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from pgqueue.migrate import migrate

DAYS = 7
ARGS = (
    "jsonb_build_object('user_id', g, 'email', 'user' || g || '@example.com', 'trace', md5(g::text), 'note',"
    " repeat('x', g % 260))"
)
PLACE = "'queue_' || g % 20, 'app.task_' || g % 50"
ENDED = "clock_timestamp() - interval '7 days' * (1 - (g - 1) / %(rows)s::float8) as ended"
TRACEBACK = "repeat('  File \"/app/tasks/mail.py\", line 120, in send: await client.post(url) ', 8)"
ERRORS = (
    "jsonb_build_array(jsonb_build_object('attempt', 4, 'ended_at', ended, 'type', 'TimeoutError',"
    f" 'message', 'no answer for user ' || g, 'traceback', {TRACEBACK}))"
)
HISTORY = f"""
    INSERT INTO job_history (id, run_at, created_at, claimed_at, finished_at, worker_id, state, elapsed, priority, attempt,
                             max_attempts, rescues, queue, task, args)
    SELECT -g, ended - interval '3 s', ended - interval '3 s', ended - interval '1 s', ended, md5((g % 50)::text)::uuid,
           (CASE WHEN g % 97 = 5 THEN 'cancelled' ELSE 'succeeded' END)::job_state, -0.05 * ln(1 - random()), 0, 1, 4, 0, {PLACE},
           {ARGS}
      FROM generate_series(1, %(rows)s) AS g, LATERAL (SELECT {ENDED}) AS e"""
DEAD = f"""
    INSERT INTO dead_letter (id, run_at, created_at, claimed_at, finished_at, worker_id, reason, elapsed, priority, attempt,
                             max_attempts, rescues, queue, task, args, errors, error_type, fingerprint)
    SELECT -100000000 - g, ended, ended - interval '60 s', ended - interval '1 s', ended, md5((g % 50)::text)::uuid, 'error',
           random(), 0, 4, 4, 0, {PLACE}, {ARGS}, {ERRORS}, 'TimeoutError', md5((g % 9)::text)
      FROM generate_series(1, %(rows)s) AS g, LATERAL (SELECT {ENDED}) AS e"""
RESULTS = """
    INSERT INTO job_result
    SELECT -g, jsonb_build_object('ok', true, 'id', g, 'etag', md5(g::text)), clock_timestamp() + interval '1 day'
      FROM generate_series(1, %(rows)s) AS g"""
LIVE = f"""
    INSERT INTO job (run_at, created_at, state, priority, queue, task, args, unique_key, unique_mode)
    SELECT clock_timestamp() + CASE WHEN g % 3 = 0 THEN -1 ELSE 1 END * random() * interval '1 day',
           clock_timestamp() - interval '1 hour', (CASE WHEN g % 3 = 0 THEN 'ready' ELSE 'scheduled' END)::job_state,
           CASE WHEN g % 10 = 0 THEN 10 ELSE 0 END, {PLACE}, {ARGS}, CASE WHEN g % 3 = 1 THEN sha256(g::text::bytea) END,
           CASE WHEN g % 3 = 1 THEN 'until_done'::unique_mode END
      FROM generate_series(1, %(rows)s) AS g"""
RUNNING = f"""
    INSERT INTO job (run_at, created_at, state, attempt, queue, task, args, claimed_at, claim_token, worker_id)
    SELECT clock_timestamp(), clock_timestamp(), 'running', 1, {PLACE}, {ARGS}, clock_timestamp(), md5('t' || g / 1000)::uuid,
           md5((g % 50)::text)::uuid
      FROM generate_series(1, %(rows)s) AS g"""
WORKERS = """
    INSERT INTO worker (id, name, host, pid, version, queues, concurrency, lease, running, started_at, heartbeat_at)
    SELECT md5(g::text)::uuid, 'worker-' || g, 'host', g, '0', array(SELECT 'queue_' || q FROM generate_series(0, 19) AS q), 100,
           interval '1 day', 100, clock_timestamp(), clock_timestamp() FROM generate_series(0, 49) AS g"""
LIMITED = """
    SELECT enqueue_select('app.call_api', array_agg(jsonb_build_object('tenant', 't' || g %% greatest(%(rows)s / 40, 1))),
                          queue => 'api', limits => array['tenant:{tenant}']) FROM generate_series(1, %(rows)s) AS g"""
WORKFLOWS = """
    SELECT count(enqueue_workflow((
        SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                   'task', 'flow.part', 'queue', 'flows', 'args', jsonb_build_object('part', i, 'source', md5(i::text)),
                   'after', CASE WHEN i = 20 THEN (SELECT jsonb_agg(p) FROM generate_series(2, 19) AS p)
                                 WHEN i > 1 THEN '[1]'::jsonb END)) ORDER BY i)
          FROM generate_series(1, 20) AS i), 'import ' || w)) FROM generate_series(1, greatest(%(rows)s / 20, 1)) AS w"""
# What scale 1 has of each, in this order.
PARTS = (
    (HISTORY, 10_000_000), (DEAD, 200_000), (RESULTS, 1_000_000), (LIVE, 3_000_000), (RUNNING, 20_000), (LIMITED, 200_000),
    (WORKFLOWS, 150_000),
)  # fmt: skip


def fill(url: str, scale: float, parts: Sequence[tuple[str, int]] = PARTS) -> None:
    """Install pgqueue in an empty database and fill it, with all or some of PARTS; vacuumed and analyzed at the end."""
    migrate(url)
    with psycopg.connect(url, autocommit=True, options="-c search_path=pgqueue -c synchronous_commit=off") as connection:
        for back in range(DAYS + 1):
            connection.execute("SELECT make_partition((clock_timestamp() AT TIME ZONE 'UTC')::date - %s)", (back,))
        connection.execute(WORKERS.encode())
        connection.execute("SELECT set_limit('tenant', rate => 10, per => '1 hour', max_running => 2)")
        for statement, rows in parts:
            text = statement if "enqueue" in statement else statement.replace("%", "%%").replace("%%(rows)s", "%(rows)s")
            connection.execute(text.encode(), {"rows": max(round(rows * scale), 20)})
        connection.execute("VACUUM (ANALYZE)")
