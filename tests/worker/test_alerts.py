"""on_dead_letters: one worker of all tells one callback, once for each time that there are too many."""

import asyncio
import logging

import pytest

from pgqueue import DeadLetterAlert, PgQueue
from pgqueue.errors import ConfigurationError, InvalidArgument
from pgqueue.worker import alerts
from tests.looking import Look
from tests.waiting import auntil
from tests.worker.conftest import burst, working


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers look all the time."""
    monkeypatch.setattr(alerts, "LOOK_EVERY", 0.01)


def fail_on(app: PgQueue, queue: str = "default") -> None:
    @app.task(retry=0, queue=queue)
    async def fail() -> None:
        raise ValueError


@pytest.mark.parametrize("kind", ["async", "def"])
async def test_it_is_called_once_over_all_workers_and_again_after_there_were_few(
    async_app: PgQueue, look: Look, often: None, kind: str
) -> None:
    told: list[DeadLetterAlert] = []
    register = async_app.on_dead_letters(threshold=3, low=0, name="three")
    if kind == "async":

        @register
        async def tell(alert: DeadLetterAlert) -> None:
            told.append(alert)

    else:
        register(told.append)
    fail_on(async_app)
    async with working(async_app), working(async_app):
        async_app.tasks["fail"].enqueue_many([()] * 4)
        await auntil(lambda: len(told) == 1, "the first call")
        async_app.tasks["fail"].enqueue_many([()] * 4)
        await auntil(lambda: look.count("failed") == 8, "more dead letters")
        await asyncio.sleep(0.2)  # many looks
        assert len(told) == 1
        look.rows("delete from dead_letter")
        await auntil(lambda: look.value("select not is_over from dead_alert"), "few dead letters")
        async_app.tasks["fail"].enqueue_many([()] * 3)
        await auntil(lambda: len(told) == 2, "the second call")

    assert [(alert.name, alert.threshold) for alert in told] == [("three", 3)] * 2
    assert 3 <= told[0].jobs <= 4


async def test_only_those_that_match_count(async_app: PgQueue, look: Look, often: None) -> None:
    told: list[str] = []
    async_app.on_dead_letters(threshold=1, queue="mail", name="mail")(lambda alert: told.append(alert.name))
    async_app.on_dead_letters(threshold=1, name="all")(lambda alert: told.append(alert.name))
    fail_on(async_app)
    async with working(async_app):
        async_app.tasks["fail"].enqueue()
        await auntil(lambda: "all" in told, "the call")

    assert told == ["all"]


async def test_a_filter_that_is_refused_keeps_no_other_callback_from_being_called(
    async_app: PgQueue, often: None, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[DeadLetterAlert] = []
    async_app.on_dead_letters(threshold=1, state="succeeded", name="invalid")(told.append)
    async_app.on_dead_letters(threshold=1, name="valid")(told.append)
    fail_on(async_app)
    async with working(async_app):
        async_app.tasks["fail"].enqueue()
        await auntil(lambda: [alert.name for alert in told] == ["valid"], "the call")
        await auntil(lambda: "dead letters are failed; leave it out" in caplog.text, "the refusal")


async def test_a_callback_that_fails_is_logged_and_the_worker_goes_on(
    async_app: PgQueue, look: Look, often: None, caplog: pytest.LogCaptureFixture
) -> None:
    @async_app.on_dead_letters(threshold=1)
    async def tell(alert: DeadLetterAlert) -> None:
        raise SystemExit(3)

    fail_on(async_app)
    with caplog.at_level(logging.ERROR):
        async with working(async_app):
            async_app.tasks["fail"].enqueue()
            await auntil(lambda: "tell" in caplog.text and "failed" in caplog.text, "the error")
            async_app.tasks["fail"].enqueue()
            await auntil(lambda: look.count("failed") == 2, "the next job")


async def test_an_app_without_alerts_does_not_look_for_dead_letters(async_app: PgQueue, look: Look, often: None) -> None:
    fail_on(async_app)
    async with working(async_app) as worker:
        async_app.tasks["fail"].enqueue()
        await auntil(lambda: look.count("failed") == 1, "a dead letter")
        assert "dead letters" not in worker._parts.loops._loops


@pytest.mark.parametrize(
    "given",
    [
        {"threshold": 0},
        {"threshold": "many"},
        {"threshold": 5, "low": 5},
        {"threshold": 5, "name": ""},
        {"threshold": 5, "name": 5},
        {"threshold": 5, "name": "\0"},
        {"threshold": 5, "lo": 2},
    ],
)
def test_an_invalid_value_is_refused(app: PgQueue, given: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        app.on_dead_letters(**given)(print)  # type: ignore[arg-type]


def test_what_is_no_function_is_refused(app: PgQueue) -> None:
    with pytest.raises(ConfigurationError, match="is not a function"):
        app.on_dead_letters(threshold=5)("mail")  # type: ignore[type-var]


async def test_after_a_worker_has_started_none_is_registered(async_app: PgQueue) -> None:
    await burst(async_app)

    with pytest.raises(ConfigurationError, match="a worker of this app has started"):
        async_app.on_dead_letters(threshold=5)(print)
