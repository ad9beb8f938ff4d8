"""Sessions that do everything to workflows at once, in random order, and are killed at random."""

import json
import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.rows import dict_row

# A run that counts is written down in the transaction that hands it in: no node succeeds twice.
RAN = "create table public.ran (job_id bigint primary key)"
POLICIES = ["succeeded", "succeeded", "finished", "failed"]
OUTCOMES = ["succeeded"] * 8 + ["dead", "failed", "cancelled", "snoozed"]
AT_ONCE = {"backoff": "fixed", "delay": 0, "jitter": False}
TOLD = {"task": "told", "queue": "told"}
# Refusals, a workflow that somebody holds, a killed session. Above all no 40P01.
EXPECTED = {"PQ001", "PQ003", "PQ004", "55P03", "57P01", "killed"}

Connect = Callable[..., psycopg.Connection[Any]]


class Hunter(threading.Thread):
    """One session.

    Args:
        connect: opens a connection.
        seed: of its random numbers.
        stop: when to leave.
        sessions: the process ids of all sessions' backends, for killing.
    """

    def __init__(self, connect: Connect, seed: int, stop: threading.Event, sessions: list[int]) -> None:
        super().__init__(daemon=True)
        self.errors: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.crash: BaseException | None = None
        self._connect, self._stop_hunt, self._sessions = connect, stop, sessions
        self._dice = random.Random(seed)
        self._verbs = {
            self.work: 12, self.submit: 3, self.extend: 3, self.depend: 2, self.cancel: 1, self.cancel_workflow: 0.3,
            self.retry: 1, self.retry_workflow: 0.5, self.kill: 0.3, self.lose_worker: 0.5,
        }  # fmt: skip

    def run(self) -> None:
        """Verb after verb."""
        try:
            self._open()
            while not self._stop_hunt.is_set():
                verb = self._dice.choices(list(self._verbs), list(self._verbs.values()))[0]
                self._try(verb)
        except BaseException as error:
            self.crash = error
        finally:
            self._connection.close()

    def _try(self, verb: Callable[[], None]) -> None:
        try:
            verb()
            self.done[verb.__name__] += 1
        except psycopg.Error as error:
            state = error.sqlstate or ("killed" if self._connection.broken else type(error).__name__)
            self.errors[state] += 1
            if state not in EXPECTED:
                raise
            if self._connection.closed:
                self._open()

    def _open(self) -> None:
        """A new session, and a worker who knows of no job: those of the old one are rescued."""
        while True:
            try:
                self._connection = self._connect(row_factory=dict_row)
                self._sessions.append(self._connection.info.backend_pid)
                self._register()
                self._held: dict[int, uuid.UUID] = {}
                return
            except psycopg.OperationalError:
                self.errors["killed"] += 1

    def _register(self) -> None:
        self._worker = uuid.uuid4()
        self._rows("select register_worker(%s, 'w', 'host', 1, '0', '{default}', 9, '1 h')", self._worker)

    def _rows(self, query: str, *params: Any) -> list[dict[str, Any]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query, params)
            return cursor.fetchall() if cursor.description else []

    def _some(self, query: str, *params: Any) -> int | None:
        rows = self._rows(query, *params)
        return int(rows[0]["id"]) if rows else None

    def _parents(self, places: int, existing: list[int]) -> list[dict[str, Any]]:
        pool: list[dict[str, Any]] = [{"node": place} for place in range(1, places + 1)] + [{"job": id} for id in existing]
        picked = self._dice.sample(pool, min(len(pool), self._dice.choice([0, 1, 1, 2, 3])))
        return [{**parent, "when": self._dice.choice(POLICIES)} for parent in picked]

    def _nodes(self, count: int, existing: list[int]) -> list[dict[str, Any]]:
        return [
            {"task": "noop", "retries": self._dice.randint(0, 2), "retry": AT_ONCE, "after": self._parents(place, existing)}
            for place in range(count)
        ]

    def _nodes_of_one(self) -> tuple[int | None, list[dict[str, Any]]]:
        flow = self._some("select id from workflow where name = 'changing' order by random() limit 1")
        query = "select job_id as id, state::text from workflow_node where workflow_id = %s order by random() limit 3"
        return flow, self._rows(query, flow)

    def work(self) -> None:
        """Claim, and hand in some of what is held, in any order; the same call says that they have run."""
        token = uuid.uuid4()
        claimed = self._rows("select id from claim(%s, %s, '{default}', %s)", self._worker, token, self._dice.randint(1, 20))
        self._held |= {row["id"]: token for row in claimed}
        batch = self._dice.sample(list(self._held), self._dice.randint(0, len(self._held)))
        outcomes = []
        for id in batch:
            how = self._dice.choice(OUTCOMES)
            outcomes.append({"id": id, "token": str(self._held[id]), "state": "failed" if how == "dead" else how,
                             "final": how == "dead", "delay": 0})  # fmt: skip
        with self._connection.transaction():
            verdicts = {row["job_id"] for row in self._rows("select * from finish(%s)", json.dumps(outcomes))}
            ran = [said["id"] for said in outcomes if said["state"] == "succeeded" and said["id"] not in verdicts]
            self._rows("insert into public.ran select unnest(%s::bigint[])", ran)
        for id in batch:
            del self._held[id]

    def submit(self) -> None:
        """A workflow that others change, or one that they only run."""
        name = self._dice.choice(["changing", "tame"])
        nodes = self._nodes(self._dice.randint(2, 30), [])
        self._rows("select enqueue_workflow(%s, %s, %s, %s)", *map(json.dumps, [nodes]), name, *map(json.dumps, [TOLD, TOLD]))

    def extend(self) -> None:
        """Nodes behind any, sometimes before a blocked one."""
        flow, existing = self._nodes_of_one()
        if existing:
            nodes = self._nodes(self._dice.randint(1, 3), [row["id"] for row in existing])
            nodes[0]["before"] = [{"job": row["id"]} for row in existing if row["state"] == "blocked"][:1]
            self._rows("select extend_workflow(%s, %s)", flow, json.dumps(nodes))

    def depend(self) -> None:
        """A job behind nodes, or behind plain jobs, which become nodes."""
        _, existing = self._nodes_of_one()
        parents = [row["id"] for row in existing]
        if not parents or self._dice.random() < 0.5:
            parents = [int(self._rows("select enqueue('noop') as id")[0]["id"]) for _ in range(2)]
        run_if = self._dice.choice(POLICIES)
        for _ in range(2):
            self._rows("select enqueue('noop', depends_on => %s, run_if => %s)", parents, run_if)

    def cancel(self) -> None:
        """Any node."""
        _, existing = self._nodes_of_one()
        for row in existing[:1]:
            self._rows("select cancel(%s)", row["id"])

    def cancel_workflow(self) -> None:
        """Any workflow that others change."""
        flow, _ = self._nodes_of_one()
        if flow:
            self._rows("select cancel_workflow(%s)", flow)

    def retry(self) -> None:
        """Any dead letter."""
        dead = self._some(
            """select d.id from dead_letter d left join workflow w on w.id = d.workflow_id
                where w.name is distinct from 'tame' order by random() limit 1"""
        )
        if dead:
            self._rows("select id from retry(%s, force => true)", dead)

    def retry_workflow(self) -> None:
        """All of one."""
        flow, _ = self._nodes_of_one()
        if flow:
            self._rows("select retry_workflow(%s)", flow)

    def kill(self) -> None:
        """Any session, this one too."""
        self._rows("select pg_terminate_backend(%s)", self._dice.choice(self._sessions[-8:]))

    def lose_worker(self) -> None:
        """This worker is lost: what it holds is rescued, and it hands it in all the same."""
        self._rows("update worker set heartbeat_at = heartbeat_at - 2 * lease where id = %s", self._worker)
        self._rows("select mark_lost()")
        self._rows("select rescue()")
        self._register()
