"""Workers roll up what has ended, one for all."""

import pytest

from pgqueue import PgQueue
from pgqueue.worker.figures import Figures
from tests.looking import Look
from tests.waiting import auntil

from .conftest import working


async def test_a_worker_rolls_up_what_is_closed(app: PgQueue, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgqueue.worker.figures.FIRST_AFTER", 0.01)
    look.rows(
        """insert into job_history (id, run_at, created_at, claimed_at, finished_at, state, elapsed, priority, attempt,
                                    max_attempts, rescues, queue, task, args)
           select 1, t, t, t, t, 'succeeded', 0.1, 0, 1, 4, 0, 'default', 'noop', '{}'
             from (select clock_timestamp() - interval '3 minutes') as at(t)"""
    )
    async with working(app):
        await auntil(lambda: look.value("select sum(succeeded) from metric_minute") == 1, "the roll-up")
        await auntil(lambda: look.value("select count(*) from metric_sample") > 0, "the sample of the live jobs")
    assert look.value("select succeeded from metrics('10 minutes') where scope = 'all'") == 1


async def test_while_there_is_more_it_goes_on_at_once(app: PgQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([0.1, 55.0])
    slept = list[float]()

    class Link:
        async def run(self, call: object) -> float:
            return next(answers)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("pgqueue.worker.figures.asyncio.sleep", sleep)
    step = Figures(Link()).steps()["figures"]  # type: ignore[arg-type]
    await step()
    await step()
    assert 2 <= slept[0] <= 4  # a worker that ends at once rolls nothing up
    assert 0.1 <= slept[1] <= 0.11
    assert 55 <= slept[2] <= 60.5
