"""pause, resume, drain and settings of queues, from Python."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import psycopg
import pytest

from pgqueue import DrainTimeout, InvalidArgument, PgQueue, QueueFull, Task
from pgqueue.control.drain import CLAIMS_WITHIN, Drain
from pgqueue.database.calls.queues import Draining
from tests.client.manual_worker import ManualWorker
from tests.looking import Look
from tests.waiting import until

LATER = datetime(2050, 1, 1, tzinfo=UTC)


def test_a_pause_shows_what_was_said_of_it(app: PgQueue) -> None:
    assert app.pause("mail", until=LATER, reason="down", by="ann") is True
    assert app.pause("mail", until=LATER, reason="down", by="ann") is False
    app.pause(task="send")
    app.pause(everything=True)

    everything, mail, send = app.pauses()
    assert (mail.kind, mail.name, mail.until, mail.reason, mail.by) == ("queue", "mail", LATER, "down", "ann")
    assert mail.said(datetime.isoformat) == f"queue mail is paused until {LATER.isoformat()} by ann: down"
    assert (everything.subject, send.subject, send.until) == ("everything", "task send", None)
    assert [app.resume("mail"), app.resume("mail"), app.resume(task="send"), app.resume(everything=True)] == [
        True,
        False,
        True,
        True,
    ]
    assert app.pauses() == []


async def test_the_async_twins_do_the_same(async_app: PgQueue) -> None:
    app = async_app
    assert await app.apause("mail", until=60, reason="down") is True
    (paused,) = await app.apauses()
    assert paused.until
    assert timedelta(seconds=59) < paused.until - paused.paused_at <= timedelta(seconds=61)
    assert await app.aresume("mail") is True
    await app.adrain("mail", 1)
    assert [one.reason for one in await app.apauses()] == ["drain"]
    await app.aset_queue("mail", max_ready=3)
    assert await app.areset_queue("mail") is True


def test_nothing_of_a_paused_queue_starts(app: PgQueue, welcome: Task[[int], str], manual_worker: ManualWorker) -> None:
    welcome.enqueue(1)
    app.pause("default", until=timedelta(hours=1))
    assert manual_worker.claim() == []
    app.resume("default")
    assert len(manual_worker.claim()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"queue": "a", "task": "b"},
        {"queue": "a", "everything": True},
        {"queue": 1},
        {"queue": "a\x00"},
        {"queue": "a", "until": datetime(2050, 1, 1)},
        {"queue": "a", "until": 0},
        {"queue": "a", "until": timedelta(seconds=-1)},
        {"queue": "a", "until": "soon"},
        {"queue": "a", "until": datetime(2000, 1, 1, tzinfo=UTC)},
        {"queue": "a", "reason": 1},
        {"queue": "a", "by": "x" * 201},
        {"queue": "a", "by": ""},
    ],
    ids=str,
)
def test_an_invalid_pause_is_refused(app: PgQueue, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        app.pause(**arguments)
    assert app.pauses() == []


def test_a_drain_returns_when_the_last_job_has_ended(
    app: PgQueue, welcome: Task[[int], str], manual_worker: ManualWorker, look: Look
) -> None:
    welcome.enqueue(1)
    jobs = manual_worker.claim()
    welcome.enqueue(2)
    thread = Thread(target=app.drain, args=("default",))
    thread.start()
    until(lambda: look.value("select count(*) from pauses"), "the pause")
    assert thread.is_alive()
    manual_worker.finish(jobs[0])
    thread.join(20)
    assert not thread.is_alive()
    assert manual_worker.claim() == []


def test_a_drain_whose_time_is_over_says_how_many_run_and_leaves_the_pause(
    app: PgQueue, welcome: Task[[int], str], manual_worker: ManualWorker
) -> None:
    welcome.enqueue_many([(1,), (2,)])
    manual_worker.claim()
    with pytest.raises(DrainTimeout, match=r"2 of its jobs still run after 0\.1 s") as caught:
        app.drain("default", 0.1)
    assert (caught.value.queue, caught.value.running) == ("default", 2)
    assert len(app.pauses()) == 1


def test_a_drain_waits_for_a_claim_that_is_under_way(
    app: PgQueue, welcome: Task[[int], str], manual_worker: ManualWorker, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    welcome.enqueue(1)
    with connect() as claimer, claimer.transaction():
        claimer.execute("select c.id from worker w, claim(w.id, gen_random_uuid(), '{default}', 1) c")
        with pytest.raises(DrainTimeout):
            app.drain("default", 0)


def test_a_claim_that_lasts_longer_than_claims_do_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 100.0, 100.0 + CLAIMS_WITHIN])
    monkeypatch.setattr("pgqueue.control.drain.time.monotonic", lambda: next(times))
    wait = Drain("default", None)
    assert wait.look(Draining(0, ["3/14"])) is not None
    assert wait.look(Draining(0, ["3/14"])) is None


def test_settings_of_a_queue_are_stored_and_reset(app: PgQueue, look: Look) -> None:
    app.set_queue("mail", max_ready=10, starvation_after=timedelta(minutes=5), keep_succeeded=False)
    app.set_queue("mail", max_ready=0, on_full="drop_oldest")
    (row,) = look.rows("select max_ready, on_full, starvation_after, keep_succeeded from queue where name = 'mail'")
    assert row == {
        "max_ready": None, "on_full": "drop_oldest", "starvation_after": timedelta(minutes=5), "keep_succeeded": False,
    }  # fmt: skip
    assert app.reset_queue("mail") is True
    assert app.reset_queue("mail") is False


@pytest.mark.parametrize(
    "settings",
    [{"max_redy": 1}, {"starvation_after": "x"}, {"starvation_share": float("nan")}, {"on_full": "\ud800"}, {"max_ready": [1]}],
    ids=["name", "duration", "nan", "surrogate", "list"],
)
def test_an_invalid_setting_is_refused(app: PgQueue, settings: Any) -> None:
    with pytest.raises(InvalidArgument):
        app.set_queue("mail", **settings)


def test_a_full_queue_refuses_a_job(app: PgQueue, welcome: Task[[int], str], look: Look) -> None:
    app.set_queue("default", max_ready=2)
    welcome.enqueue_many([(1,), (2,)])
    look.value("select next_in from sweep_queues()")
    for enqueue in (lambda: welcome.enqueue(3), lambda: welcome.enqueue_many([(3,)]), lambda: app.enqueue_many([welcome.s(3)])):
        with pytest.raises(QueueFull, match="queue: 'default' is full"):
            enqueue()
    assert look.count("ready") == 2
