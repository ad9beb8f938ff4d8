"""pgqueue drain-worker, restart-worker: people tell workers to end."""

import uuid

from ..looking import Look
from .conftest import Run

REGISTER = "select register_worker(%s, %s, 'host', 1, '0', '{default}', 10, '1 h')"


def a_worker(look: Look, name: str = "w1") -> str:
    id = str(uuid.uuid4())
    look.value(REGISTER, id, name)
    return id


def test_a_worker_is_told_by_its_name_or_id_and_who_did_it_is_kept(run: Run, look: Look) -> None:
    id = a_worker(look)
    assert run("drain-worker", "w1", "--by", "ann") == (
        0, f"worker {id} is told to drain; it ends when its handlers have\n", ""
    )  # fmt: skip
    assert look.value("select told from worker") == "drain"
    assert "was already told to drain" in run("drain-worker", id).out
    assert run("restart-worker", id, "--json").lines == [{"worker_id": id, "told": "restart", "changed": True}]
    kept = look.rows("select verb, kind, subject, by from audit_log order by id")
    assert [(row["verb"], row["kind"], row["subject"]) for row in kept] == [("tell_worker", "worker", id)] * 2
    assert kept[0]["by"] == "ann"


def test_who_is_not_there_or_does_not_listen_is_said_in_one_line(run: Run, look: Look) -> None:
    id = a_worker(look)
    look.rows("update worker set wake_mode = 'http'")
    ran = run("drain-worker", id)
    assert (ran.code, "over HTTP" in ran.err, ran.err.count("\n")) == (1, True, 1)
    ran = run("restart-worker", "nobody")
    assert (ran.code, "pgqueue workers lists them" in ran.err) == (3, True)
    a_worker(look)
    ran = run("drain-worker", "w1")
    assert (ran.code, "give the id of one of them" in ran.err) == (2, True)
