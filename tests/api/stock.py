"""One of everything, so that lists and single ones have something to answer."""

import psycopg

from pgqueue import PgQueue

WORKER = "00000000-0000-0000-0000-000000000001"
TOKEN = "00000000-0000-0000-0000-000000000002"
STATEMENTS = (
    f"select register_worker('{WORKER}', 'w', 'h', 1, '0', '{{default,mail}}', 10, '1 h', tasks => '{{noop}}')",
    """select enqueue('noop', '{"n": 1}', meta => '{"by": "test"}') from generate_series(1, 5)""",
    f"select id from claim('{WORKER}', '{TOKEN}', '{{default}}', 3)",
    f"""select * from finish('[{{"id": 1, "token": "{TOKEN}", "state": "succeeded", "elapsed": 0.1,
        "result": {{"ok": true}}}}]')""",
    f"""select * from finish('[{{"id": 2, "token": "{TOKEN}", "state": "failed", "final": true, "elapsed": 0.1,
        "error": {{"type": "ValueError", "types": ["ValueError"], "message": "no", "traceback": "line 1"}}}}]')""",
    f"""select add_log('{WORKER}', '[{{"id": 3, "token": "{TOKEN}", "attempt": 1,
        "lines": [{{"n": 1, "ago": 0, "level": "info", "message": "begun", "fields": {{"a": 1}}}}]}}]')""",
    f"select progress(3, '{TOKEN}', 1, 2, 'half')",
    "select enqueue('noop', run_after => '1 h', queue => 'mail', unique_mode => 'until_done')",
    "select set_limit('tenant', rate => 10, per => '1 s')",
    "select enqueue('noop', limits => '{tenant:1}')",
    "select set_queue('mail', '{\"max_ready\": 100}')",
    "select pause('queue', 'slow', reason => 'a test')",
    """select set_schedule('nightly', '{"every": 3600, "job": {"task": "noop"}}')""",
    """select enqueue_workflow('[{"task": "noop"}, {"task": "noop", "after": [1]}]', 'import')""",
    """select start_operation('update', '{"queue": "none"}', '{"priority": 1}')""",
    "select cancel(5, 'ann', 'a test')",
    "select roll_up()",
)


def stock(app: PgQueue) -> None:
    """Fill the install of an app."""
    with psycopg.connect(app.url, autocommit=True, options="-c search_path=pgqueue") as connection:
        for statement in STATEMENTS:
            connection.execute(statement.encode())
