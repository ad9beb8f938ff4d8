"""Dead letters for tests."""

import json
from typing import Any

from .conftest import Sql

TRACEBACK = """Traceback (most recent call last):
  File "/srv/releases/41/pgqueue/worker/execute.py", line 141, in execute
    result = await surrounded(job, task, threads)
  File "/srv/releases/41/shop/mail.py", line 12, in send
    connect(host)
  File "/srv/releases/41/shop/smtp.py", line 80, in connect
    raise TimeoutError
"""


def dead(sql: Sql, error: dict[str, Any] | None = None, **options: Any) -> int:
    """A job that has failed for good with this error."""
    id = sql.enqueue(options.pop("task", "noop"), options.pop("args", {}), retries=0, **options)
    bury(sql, id, error)
    return id


def bury(sql: Sql, id: int, error: dict[str, Any] | None = None) -> None:
    """Claim this job and let it fail for good."""
    token = sql.value("select gen_random_uuid()")
    worker = sql.worker()
    (row,) = sql.rows("select id from claim_jobs(%s, %s, %s)", worker, token, [id])
    said = error or {"type": "E", "message": "m"}
    (verdict,) = sql.finish(token, {"id": row["id"], "state": "failed", "final": True, "error": said})
    assert verdict["verdict"] == "dead_letter"


def bury_all(sql: Sql) -> None:
    """All live jobs become dead letters at once."""
    sql.rows(
        "with gone as (delete from job_kept k returning clock_timestamp(), 'failed'::job_state, 'error'::final_reason, "
        "null::real, null::jsonb, k.*) insert into dead_letter select null, null, g.* from gone g"
    )


def identity(sql: Sql, **error: Any) -> tuple[str, str]:
    """The type and the fingerprint of an error."""
    (row,) = sql.rows("select * from error_identity(%s)", json.dumps([error]))
    return row["error_type"], row["fingerprint"]
