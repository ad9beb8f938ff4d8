"""Workers examine the install: one of them does, and says what is new and what is gone."""

import logging
from datetime import timedelta

import pytest

from pgqueue import PgQueue
from pgqueue.worker import doctor
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import working


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers examine at once, and again soon."""
    monkeypatch.setattr(doctor, "FIRST_LOOK", 0.01)
    monkeypatch.setattr(doctor, "EVERY", 0.1)


async def test_what_is_new_and_what_is_gone_is_logged_once(
    async_app: PgQueue, look: Look, soon: None, caplog: pytest.LogCaptureFixture
) -> None:
    """FAULTS 27 is one of the findings; a finding is known to the whole install, not to one worker."""
    caplog.set_level(logging.INFO)
    look.value("select pause('queue', 'mail', by => 'ada', reason => 'deploy')")
    look.rows("update pause set paused_at = now() - interval '2 days'")
    async with working(async_app), working(async_app):
        await auntil(lambda: "pause-forgotten" in caplog.text, "the finding")
        assert look.value("select severity from findings where name = 'pause-forgotten'") == "warning"
        look.rows("delete from pause")
        await auntil(lambda: "queue mail: no longer" in caplog.text, "its end")

    told = [(record.levelno, record.message) for record in caplog.records if "pause-forgotten" in record.message]
    assert [level for level, _ in told] == [logging.WARNING, logging.INFO]
    assert "queue mail is paused since" in told[0][1]


async def test_a_check_that_fails_keeps_the_others_from_nothing(
    async_app: PgQueue, look: Look, soon: None, caplog: pytest.LogCaptureFixture
) -> None:
    look.rows("alter function diagnose_settings rename to no_more")
    look.value("select pause('everything')")
    look.rows("update pause set paused_at = now() - interval '2 days'")
    async with working(async_app):
        await auntil(lambda: "pause-forgotten" in caplog.text, "the finding")
        await auntil(lambda: "check-not-run" in caplog.text, "the other one")


async def test_a_worker_with_a_wrong_clock_is_told_of(
    async_app: PgQueue, look: Look, soon: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Ahead(doctor.datetime):  # type: ignore[name-defined,misc]
        @classmethod
        def now(cls, zone: object = None) -> object:
            return super().now(zone) + timedelta(hours=1)

    monkeypatch.setattr(doctor, "datetime", Ahead)
    async with working(async_app):
        await auntil(lambda: "worker-clock" in caplog.text, "the finding")

    assert "3600 s ahead of that of the database" in caplog.text
