"""retry, discard, groups and counts of dead letters from Python."""

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pgqueue import InvalidArgument, JobNotFound, PgQueue, Retry, Task
from pgqueue.errors import WrongState
from tests.client.manual_worker import ManualWorker
from tests.looking import Look

Bury = Callable[..., int]


@pytest.fixture
def bury(welcome: Task[[int], str], manual_worker: ManualWorker, look: Look) -> Bury:
    """Makes a dead letter."""

    def new_dead_letter(user_id: int = 1, **options: Any) -> int:
        id = welcome.using(**options).enqueue(user_id).id
        (job,) = manual_worker.claim()
        manual_worker.fail(job)
        assert look.state(id) == "failed"
        return id

    return new_dead_letter


async def test_a_dead_letter_runs_again_as_it_is_wanted(async_app: PgQueue, bury: Bury, look: Look) -> None:
    for retry in (async_app.retry, async_app.aretry):
        id = bury()
        given: dict[str, Any] = {"by": "ann", "args": {"user_id": 7}, "run_after": timedelta(hours=1), "keep_attempts": True}
        again: Any = retry(id, **given)
        assert (await again if inspect.isawaitable(again) else again).id == id
        row = look.job(id)
        assert (row["state"], row["args"], row["attempt"]) == ("scheduled", {"user_id": 7}, 1)
        assert row["control"] == {"retried": 1, "retried_by": "ann", "counted": 1}


@pytest.mark.parametrize("rules", ["job", "task"])
def test_its_retry_rules_are_its_own_or_those_that_its_task_has_now(app: PgQueue, bury: Bury, look: Look, rules: Any) -> None:
    id = bury(retry=Retry(1, backoff="fixed", delay=9))
    app.tasks["welcome"].options = app.tasks["welcome"].using(retry=Retry(5, backoff="linear")).options

    app.retry(id, rules=rules)

    (row,) = look.rows("select retry, max_attempts from job")
    own, new = ({"backoff": "fixed", "delay": 9}, 2), ({"backoff": "linear"}, 6)
    assert (row["retry"], row["max_attempts"]) == (own if rules == "job" else new)


def test_a_task_without_a_policy_has_the_default_one(app: PgQueue, bury: Bury, look: Look) -> None:
    app.retry(bury(retry=0), rules="task")

    assert [(row["retry"], row["max_attempts"]) for row in look.rows("select retry, max_attempts from job")] == [(None, 4)]


def test_what_has_come_back_three_times_has_to_be_forced(app: PgQueue, bury: Bury, look: Look) -> None:
    id = bury()
    look.rows("""update dead_letter set control = '{"retried": 3}'""")

    with pytest.raises(WrongState, match="has come back from the dead letters 3 times"):
        app.retry(id)
    assert app.retry(id, force=True).id == id


def test_a_live_job_with_its_key_is_the_answer(app: PgQueue, bury: Bury, welcome: Task[[int], str]) -> None:
    id = bury(unique="until_done")
    live = welcome.using(unique="until_done").enqueue(1)

    again = app.retry(id)

    assert (again.id, again.duplicate) == (live.id, True)


@pytest.mark.parametrize(
    "given",
    [
        {"rules": "mine"},
        {"args": [1]},
        {"args": {"a": {1}}},
        {"run_after": "soon"},
        {"by": "x" * 201},
        {"by": "a\0"},
        {"by": 5},
        {"by": ""},
    ],
)
def test_an_invalid_value_is_refused(app: PgQueue, bury: Bury, look: Look, given: dict[str, Any]) -> None:
    id = bury()

    with pytest.raises(InvalidArgument):
        app.retry(id, **given)

    assert look.state(id) == "failed"


async def test_a_dead_letter_is_discarded_for_good(async_app: PgQueue, bury: Bury, look: Look) -> None:
    first, second = bury(), bury()

    async_app.discard(first, by="ann", reason="gone")
    await async_app.adiscard(second)

    assert look.rows("select * from jobs") == []
    assert look.value("select array_agg(by order by job_id) from discard_log where reason is not null") == ["ann"]
    with pytest.raises(JobNotFound):
        async_app.discard(first)


@pytest.mark.parametrize("given", [{"by": 5}, {"by": ""}, {"reason": 5}, {"reason": "a\0"}, {"reason": "x" * 1001}])
def test_an_invalid_text_is_refused_and_nothing_is_removed(app: PgQueue, bury: Bury, look: Look, given: dict[str, Any]) -> None:
    id = bury()

    with pytest.raises(InvalidArgument, match=f"^{next(iter(given))}: "):
        app.discard(id, **given)

    assert look.state(id) == "failed"


def test_only_dead_letters_are_discarded(app: PgQueue, welcome: Task[[int], str]) -> None:
    with pytest.raises(WrongState, match="only a dead letter can be discarded"):
        app.discard(welcome.enqueue(1).id)


async def test_kinds_of_failures_are_grouped_and_counted(async_app: PgQueue, bury: Bury) -> None:
    ids = [bury(n) for n in range(3)]

    for groups in (async_app.dead_groups(task="wel*"), await async_app.adead_groups(most=1)):
        assert [(group.jobs, group.sample_id, group.tasks) for group in groups] == [(3, ids[-1], ["welcome"])]
    for counts in (async_app.dead_stats("queue"), await async_app.adead_stats("queue", args={"user_id": 1})):
        assert [count.value for count in counts] == ["default"]
    with pytest.raises(InvalidArgument, match="by: 'args' is not valid"):
        async_app.dead_stats("args")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="by: "):
        async_app.dead_stats("\0")  # type: ignore[arg-type]
    for most in (0, 2**31, "3", True):
        with pytest.raises(InvalidArgument, match=r"most: .* use 1 to 100,000"):
            async_app.dead_groups(most)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgument, match="most: "):
            async_app.dead_stats("task", most)  # type: ignore[arg-type]
