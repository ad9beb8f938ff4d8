"""An install with something for every page, with the names of a shop or with the texts of an attacker."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from pgqueue import PgQueue
from pgqueue.control.keys import new_key, read_key
from pgqueue.dashboard.build import create_server_app
from pgqueue.database.calls.keys import KeySpec
from tests.api.serving import served
from tests.postgres import Copies

from .pool_seed import AGENT, STATEMENTS

WORKER, DEAD, TOKEN = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 9))
# Elements, attributes, scripts, quotes, a template, an escape of a terminal, a letter that turns the direction; long.
HOSTILE = (
    """'"><img src=x onerror=alert(1)><script>alert(2)</script></textarea></script><!--{{7*7}}${7*7}\x1b[31m\u202e\U0001f40d"""
    + "x" * 60
)
TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/python3.11/site-packages/httpx/_transports/default.py", line 101, in map_httpcore_exceptions
    yield
  File "/srv/shop/mails.py", line 42, in send_receipt
    await client.post(url, json=body)
{error}"""


@dataclass(frozen=True)
class Names:
    """What users can name and write."""

    send: str = "shop.send_receipt"
    charge: str = "shop.charge_card"
    index: str = "search.index_page"
    key: str = "42"
    workflow: str = "import of catalogue 7"
    node: str = "page {}"
    worker: str = "web-1"
    person: str = "ann"
    reason: str = "the mail server is down"
    text: str = "8001 Zürich, Löwenstraße 7"
    error: str = "httpx.ConnectTimeout"
    message: str = "the server mail.example did not answer within 5 s"


ORDINARY = Names()
_UNBRACED = HOSTILE.replace("{", "(").replace("}", ")")
ATTACKER = Names(
    HOSTILE, HOSTILE, f"{HOSTILE} 2", _UNBRACED, HOSTILE[:190],
     "{}" + _UNBRACED, HOSTILE, HOSTILE[:190], HOSTILE, HOSTILE, HOSTILE, HOSTILE
)  # fmt: skip
SCHEDULE = "nightly-report"


@dataclass(frozen=True)
class Seeded:
    """What the paths of pages can be filled with."""

    jobs: dict[str, int]
    workflow: int
    operation: int
    fingerprint: str
    limit: str
    schedule: str
    key: str
    keys: dict[str, str]
    queue: str = "mail"
    worker: str = WORKER


def seed(app: PgQueue, names: Names = ORDINARY) -> Seeded:
    """Fill an install that is empty."""
    with psycopg.connect(app.url, autocommit=True, options="-c search_path=pgqueue", row_factory=dict_row) as connection:
        return _Seed(connection, names).run(app)


@contextmanager
def seeded(copies: Copies, names: Names = ORDINARY) -> Iterator[tuple[str, Seeded]]:
    """The URL of the dashboard of a filled install, and what is there; to read only."""
    with copies.one() as database:
        app, made = PgQueue(database), list[Seeded]()
        thread = threading.Thread(target=lambda: made.append(seed(app, names)))  # a browser has made this thread an async one
        thread.start()
        thread.join()
        try:
            with served(create_server_app(app)) as url:
                yield url, made[0]
        finally:
            app.close()


def _error(type: str, message: str) -> dict[str, Any]:
    return {"type": type, "types": [type], "message": message, "traceback": TRACEBACK.format(error=f"{type}: {message}")}


class _Seed:
    def __init__(self, connection: psycopg.Connection[dict[str, Any]], names: Names) -> None:
        self.connection, self.names = connection, names
        self.key = f"tenant:{names.key}"

    def all(self, query: LiteralString, *values: Any) -> list[dict[str, Any]]:
        """The rows of a statement."""
        return self.connection.execute(query, values).fetchall()

    def run(self, app: PgQueue) -> Seeded:
        """Fill it."""
        self._settings()
        self._workers()
        self._pool()
        self._workflow()
        self._jobs()
        self._runs()
        self._late()
        return self._found(app)

    def _settings(self) -> None:
        n = self.names
        self.all("select set_limit('tenant', rate => 60, per => '1 min', max_running => 4, burst => 90)")
        self.all("select set_limit('openai', rate => 500, per => '1 min')")
        self.all("select set_limit(%s, rate => 5, per => '1 s')", self.key)
        self.all("""select set_queue('mail', '{"max_ready": 10000}')""")
        self.all("select pause('queue', 'reports', reason => %s, by => %s)", n.reason, n.person)
        self.all("select pause('task', 'reports.weekly', reason => %s)", n.reason)
        job = {"task": n.charge, "queue": "billing", "args": {"text": n.text}}
        self.all(
            "select set_schedule(%s, %s)", SCHEDULE, json.dumps({"cron": ["0 2 * * *"], "timezone": "Europe/Berlin", "job": job})
        )
        self.all("""select set_schedule('every-hour', '{"every": 3600, "job": {"task": "clean_up"}}')""")
        self.all("select trigger_schedule(%s)", SCHEDULE)

    def _workers(self) -> None:
        n = self.names
        tasks = [n.send, n.charge, "clean_up"]
        for id, name in ((WORKER, n.worker), (DEAD, "web-2")):
            self.all(
                "select register_worker(%s, %s, %s, 4242, '1.0', '{mail,billing,imports}', 20, '1 h', tasks => %s)",
                id, name, n.worker, tasks,
            )  # fmt: skip

    def _pool(self) -> None:
        n = self.names
        values = {"person": n.person, "reason": n.reason, "text": n.text, "host": n.worker, "agent": AGENT, "worker": WORKER}
        for statement in STATEMENTS:
            self.connection.execute(statement, values)

    def _workflow(self) -> None:
        n = self.names
        nodes: list[dict[str, Any]] = [
            {"task": "shop.fetch", "name": "fetch"},
            {"task": "shop.check", "name": "check", "after": [1]},
        ]
        nodes += [{"task": n.index, "name": n.node.format(number), "after": [2]} for number in range(12)]
        nodes.append({"task": "search.merge", "name": "merge", "after": list(range(3, 15))})
        nodes += [{"task": n.send, "name": "tell", "after": [15]}, {"task": "shop.archive", "name": "archive", "after": [15]}]
        nodes = [{**node, "queue": "imports"} for node in nodes]
        self.all("select enqueue_workflow(%s, %s)", json.dumps(nodes), n.workflow)

    def _jobs(self) -> None:
        n = self.names
        args = json.dumps({"order_id": 17, "email": "ann@example.com", "note": n.text, n.text[:50]: [1, None, {"a": n.text}]})
        meta = json.dumps({"request": n.text})
        for number in range(24):
            task = (n.send, n.charge)[number % 2]
            self.all("select enqueue(%s, %s, queue => 'mail', meta => %s, retries => 3)", task, args, meta)
        self.all("select enqueue(%s, %s, queue => 'api', limits => array[%s])", n.send, args, self.key)
        self.all("select enqueue(%s, %s, queue => 'billing', run_after => '2 h')", n.charge, args)

    def _runs(self) -> None:
        n = self.names
        ids = [row["id"] for row in self.all("select id from claim(%s, %s, '{mail}', 24)", WORKER, TOKEN)]
        running = ids[18:]
        self.all("select save_step(%s, %s, %s, %s)", running[0], TOKEN, n.text[:100], json.dumps({"receipt": n.text}))
        line = {"n": 1, "ago": 0, "level": "info", "message": n.message, "fields": {"order": n.text}}
        self.all(
            "select add_log(%s, %s)", WORKER, json.dumps([{"id": running[0], "token": TOKEN, "attempt": 1, "lines": [line]}])
        )
        self.all("select progress(%s, %s, 3, 8, %s)", running[0], TOKEN, n.text)
        kinds = [(n.error, n.message)] * 6 + [("KeyError", "'postcode'")] * 3 + [("shop.errors.CardRefused", n.text[:60])] * 2
        ended: list[dict[str, Any]] = [{"state": "failed", "final": True, "error": _error(*kind)} for kind in kinds]
        ended += [{"state": "failed", "error": _error(*kinds[0])}] + [{"state": "succeeded", "result": {"sent": n.text}}] * 6
        over = [{"id": id, "token": TOKEN, "elapsed": 0.001, **how} for id, how in zip(ids, ended, strict=False)]
        self.all("select * from finish(%s)", json.dumps(over))
        for most in (1, 1, 8):
            ids = [row["id"] for row in self.all("select id from claim(%s, %s, '{imports}', %s)", WORKER, TOKEN, most)]
            over = [{"id": id, "token": TOKEN, "elapsed": 0.001, "state": "succeeded"} for id in ids[:5]]
            self.all("select * from finish(%s)", json.dumps(over))

    def _late(self) -> None:
        n = self.names
        waiting = self.all("select id from jobs where queue = 'billing' and state = 'ready'")
        for row in waiting:
            self.all("select cancel(%s, %s, %s)", row["id"], n.person, n.reason)
        filter, changes = json.dumps({"queue": "api", "task": n.send}), json.dumps({"priority": 10})
        self.all("select start_operation('update', %s, %s, by => %s, reason => %s)", filter, changes, n.person, n.reason)
        self.all("select park(%s, clock_timestamp() + '10 min', %s)", self.key, n.person)
        self.all("select roll_up()")

    def _found(self, app: PgQueue) -> Seeded:
        made = new_key(KeySpec(name=self.names.person[:100], role="admin"))
        jobs = {str(row["state"]): row["id"] for row in self.all("select state::text, min(id) as id from jobs group by state")}
        (workflow,) = self.all("select id from workflow")
        (operation,) = self.all("select max(id) as id from operations")
        (group,) = self.all("select fingerprint from dead_letters limit 1")
        app.database.run(made.store)
        id, _ = read_key(made.text) or ("", "")
        keys = {"admin": made.text}
        for role in ("viewer", "operator"):
            one = new_key(KeySpec(name=f"the {role}", role=role))
            app.database.run(one.store)
            keys[role] = one.text
        return Seeded(jobs, workflow["id"], operation["id"], group["fingerprint"], self.key, SCHEDULE, id, keys)
