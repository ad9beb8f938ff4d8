"""doctor over HTTP."""

import asyncio
import threading
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.api.bodies.doctor import Examination, TroubleOut, Troubles
from pgqueue.api.health import examination
from pgqueue.api.health.examination import KEPT, examined
from pgqueue.api.health.kept import Kept
from pgqueue.doctor import examine
from tests.api.shapes import read
from tests.looking import Look
from tests.waiting import until


def test_findings_are_those_of_the_app(app: PgQueue, look: Look, api: httpx.Client) -> None:
    look.rows("insert into pause (kind, name, paused_at, by) values ('queue', 'mail', '2020-01-01Z', 'ann')")
    expected = examine(app)
    found = read(api.get("/doctor"), Examination)
    assert found.checks == expected.checks
    assert [(one.name, one.severity, one.subject) for one in found.findings] == [
        (one.name, one.severity, one.subject) for one in expected.findings
    ]
    assert "queue mail" in {one.subject for one in found.findings}
    assert found.worst == found.findings[0].severity


def test_a_finding_says_since_when_workers_see_it(look: Look, api: httpx.Client) -> None:
    look.rows("insert into pause (kind, name, paused_at, by) values ('queue', 'mail', '2020-01-01Z', 'ann')")
    seen = (
        "insert into finding_log select name, subject, 'pauses', f, '2020-01-02Z', clock_timestamp() - %s::interval "
        "from diagnose_pauses() f on conflict (name, subject) do update set seen_at = excluded.seen_at"
    )
    look.rows(seen, "0 s")

    def since() -> str | None:
        (found,) = [one for one in api.get("/doctor").json()["findings"] if one["subject"] == "queue mail"]
        return str(found["since"]) if found["since"] else None

    assert since() == "2020-01-02T00:00:00Z"
    look.rows(seen, "1 h")  # nobody has looked for long: what they saw then says nothing about now
    assert since() is None


async def test_many_who_ask_at_once_share_one_examination(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a connection and a thread of its own: a crowd must not take all connections of the server."""
    may_end, began = threading.Event(), list[int]()

    def slow(its: Any) -> Any:
        began.append(1)
        assert may_end.wait(20)
        return examine(its)

    monkeypatch.setattr(examination, "examine", slow)
    found = Kept(lambda: examined(app), KEPT)
    asking = [asyncio.create_task(found.get()) for _ in range(50)]
    await asyncio.sleep(0)
    asking.pop().cancel()  # one goes away, and the others still get their answer
    may_end.set()
    answers = await asyncio.gather(*asking)
    assert len(began) == 1
    assert all(answer is answers[0] for answer in answers)


async def test_findings_are_answered_again_for_some_seconds_but_a_failure_is_not(
    app: PgQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Kept(lambda: examined(app), KEPT)
    monkeypatch.setattr(examination, "examine", lambda its: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await found.get()
    monkeypatch.setattr(examination, "examine", examine)
    first = await found.get()
    assert await found.get() is first
    found._seconds = 0.0
    assert await found.get() is not first


def test_what_is_wrong_now_is_what_top_says_with_what_to_do(
    app: PgQueue, api: httpx.Client, connection: psycopg.Connection[Any]
) -> None:
    """Figures of the moment, and what a worker has found lately."""

    @app.task(queue="mail")
    def send() -> None: ...

    assert read(api.get("/troubles"), Troubles).troubles == []
    send.enqueue()
    app.pause("reports", reason="the printer is out of paper")
    connection.execute(
        "select note_findings(%s, '{settings}')",
        ['[{"name": "autovacuum-off", "severity": "error", "subject": "server", "problem": "autovacuum is off", "figures": {}, '
        '"consequence": "tables grow", "remedy": "alter system set autovacuum = on", "source": "settings"}]'],
    )  # fmt: skip

    def found() -> list[TroubleOut]:
        return read(api.get("/troubles"), Troubles).troubles

    until(lambda: len(found()) == 3, "an answer is kept for a second")
    unserved, autovacuum, paused = found()
    assert (unserved.name, unserved.subjects, unserved.severity) == ("queue-not-served", ["mail"], "error")
    assert "pgqueue worker" in unserved.remedy
    assert (autovacuum.problem, autovacuum.is_found) == ("autovacuum is off", True)
    assert autovacuum.remedy == "alter system set autovacuum = on"
    assert (paused.name, paused.subjects, paused.is_found) == ("queue-paused", ["reports"], False)
    assert "out of paper" in paused.problem
