"""An install in which every command has something to show: with usual names, and with names as long as they may be."""

import json
import uuid
from typing import NamedTuple

from ..looking import Look
from ..pool_agents import AGENT, SLOT
from ..rolled import pass_minutes


class Names(NamedTuple):
    """The names of an install.

    Attributes:
        first_id: of jobs, workflows, operations and events.
        task, wide_task, queue, key, worker, workflow, schedule, person, step: what they say.
        text: of arguments, notes, errors and reasons.
    """

    first_id: int
    task: str
    wide_task: str
    queue: str
    key: str
    worker: str
    workflow: str
    schedule: str
    person: str
    step: str
    text: str

    @property
    def whole(self) -> set[str]:
        """What is never cut where a command has room for it. The key of a limit is shown without its name, too."""
        return {self.task, self.wide_task, self.queue, self.key, self.worker, self.workflow, self.schedule, self.step}


USUAL = Names(
    17, "orders.send_invoice", "领取收据", "mail", "tenant:42", "web-1:4711", "order 1004", "reports.nightly", "ann", "charge",
    "the provider of mail is down and does not answer",
)  # fmt: skip
AWKWARD = Names(
    8_999_999_999_999_999_001,
    ("orders.reconcile_the_ledger_with_the_bank." * 3)[:119] + "Z",
    "領収書を送る処理" * 14 + "終わり",
    "queue-of-a-tenant-with-a-long-name-" + "q" * 40 + "-end",
    "tenant:" + "0123456789abcdef" * 2 + "Z",
    "worker-7f9c6bdb4c-x2x9q.a-namespace.svc.cluster.local:" + "4" * 10,
    "ワークフロー " + "settlement-" * 8 + "end",
    "schedule." + "of-all-regions." * 5 + "end",
    "ann.of-the-long-name@a-machine-with-a-long-name.example.com",
    "step-" + "s" * 60 + "-end",
    "a text of many words " * 60 + "y" * 500,
)

IDENTITIES = ("job", "workflow", "operation", "pool_event")
FIGURES = "update metric_minute set succeeded = 1234567, cancelled = 999, failed = 99999, wait_seconds = 1e9"


def stock(look: Look, names: Names) -> dict[str, str]:
    """Fill an install. Returns ids and names for commands."""
    for table in IDENTITIES:
        look.connection.execute(f"alter table {table} alter column id restart with {names.first_id}")
    worker, token, args = uuid.uuid4(), uuid.uuid4(), json.dumps({"customer": 1004, "text": names.text})
    told = names.text[:900]
    look.value(
        "select register_worker(%s, %s, %s, 4711, '1.0', %s, 10, '1 h', tasks => %s)", worker, names.worker, names.worker,
        [names.queue, "default", "urgent"], [names.task],
    )  # fmt: skip
    figures = {"loop_lag": 0.25, "memory": 123456789, "cpu_seconds": 99.5, "done": 1234567, "last_error": told[:500]}
    look.value("select workers from heartbeat(%s, '{}', 'notify', figures => %s::jsonb)", worker, json.dumps(figures))
    error = json.dumps({"type": "httpx.ReadTimeout", "types": [], "message": told, "traceback": f"Traceback\n  {told}"})
    dead = look.value("select enqueue(%s, %s::jsonb, %s, retries => 0)", names.task, args, names.queue)
    look.rows("select claim(%s, %s, %s, 1)", worker, token, [names.queue])
    look.value("select fail(%s, %s, %s::jsonb)", dead, token, error)
    job = look.value("select enqueue(%s, %s::jsonb, %s)", names.task, args, names.queue)
    look.rows("select claim(%s, %s, %s, 1)", worker, token, [names.queue])
    look.value("select save_step(%s, %s, %s, %s::jsonb)", job, token, names.step, json.dumps(names.text))
    look.value("select signal(%s, %s, %s::jsonb)", job, names.step, json.dumps(names.text))
    line = {"n": 1, "ago": 0, "level": "warning", "message": told, "fields": {"customer": 1004}}
    runs = json.dumps([{"id": job, "token": str(token), "attempt": 1, "lines": [line]}])
    look.value("select add_log(%s, %s::jsonb)", worker, runs)
    look.value("select fail(%s, %s, %s::jsonb)", job, token, error)
    look.value("select set_limit(%s, 1000, '60 s', max_running => 5)", names.key.partition(":")[0])
    limited = look.value("select enqueue(%s, %s::jsonb, %s, limits => %s)", names.wide_task, args, names.queue, [names.key])
    look.value("select park(%s, now() + '1 h')", names.key)
    nodes = [{"task": names.task, "name": f"{names.step}-{n}", "after": [f"{names.step}-{n - 1}"] * (n > 0)} for n in range(3)]
    flow = look.value("select (enqueue_workflow(%s::jsonb, name => %s)).workflow_id", json.dumps(nodes), names.workflow)
    many = json.dumps([{"task": names.task}] * 201)
    large = look.value("select (enqueue_workflow(%s::jsonb, name => %s)).workflow_id", many, names.workflow)
    look.value('select set_queue(%s, \'{"max_ready": 10000, "starvation_after": 60, "dead_days": 30}\')', names.queue)
    look.value("select pause('task', %s, reason => %s, by => %s)", names.wide_task, told, names.person)
    every = json.dumps({"cron": ["0 2 * * *"], "timezone": "Europe/Berlin", "job": {"task": names.task, "queue": names.queue}})
    look.value("select set_schedule(%s, %s::jsonb)", names.schedule, every)
    look.value("select trigger_schedule(%s)", names.schedule)
    look.value(
        "insert into schedule_tick (schedule, tick, outcome, reason, stands_for, fired_at) "
        "values (%s, '2026-01-05 01:00+00', 'skipped', 'missed', 7, clock_timestamp()) returning tick",
        names.schedule,
    )
    look.value("select make_pool('mail', 'shop.jobs_of_the_shop:app', by => %s)", names.person)
    agent = "00000000-0000-0000-0000-000000000005"
    look.value(AGENT.replace("'here'", "%s::text"), agent, names.worker)
    look.value(SLOT, agent)
    look.value("select note_pool('mail', 'scaled', 'up', reason => %s, figures => %s::jsonb)", told, json.dumps({"ready": told}))
    look.value("select create_key('a1b2c3d4e5f6', sha256('x'), %s, 'viewer', %s, by => %s)", names.person, [names.queue],
               names.person)  # fmt: skip
    operation = look.value(
        "select (start_operation('update', jsonb_build_object('task', array[%s::text]), '{\"priority\": 3}', %s, %s)).id",
        names.task, names.person, told,
    )  # fmt: skip
    look.value("select cancel(%s)", look.value("select enqueue(%s, %s::jsonb, %s)", names.wide_task, args, names.queue))
    pass_minutes(look.connection)
    look.connection.execute(FIGURES)
    ids = {"job": job, "dead": dead, "limited": limited, "flow": flow, "large": large, "operation": operation}
    return {name: str(id) for name, id in ids.items()} | names._asdict()
