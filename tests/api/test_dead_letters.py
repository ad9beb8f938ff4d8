"""Dead letters over HTTP: lists, groups, counts, alerts, retry, purge."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.api.bodies.dead_letters import AlertOut, Counts, Groups, LetterDetail, LetterPage, RetriedOut, Started
from tests.api.shapes import read, refused
from tests.client.manual_worker import ManualWorker
from tests.looking import Look

Bury = Callable[..., list[int]]


@pytest.fixture
def bury(app: PgQueue, look: Look, manual_worker: ManualWorker) -> Bury:
    """Makes dead letters of a task in a queue."""

    @app.task
    def send(n: int) -> None: ...

    def bury(many: int = 1, queue: str = "default") -> list[int]:
        ids = [send.using(queue=queue).enqueue(n).id for n in range(many)]
        look.rows("update job set queue = 'default'")  # which the worker serves
        for job in manual_worker.claim():
            manual_worker.fail(job)
        look.rows("update dead_letter set queue = %s where id = any (%s)", queue, ids)
        return ids

    return bury


def _done(look: Look, answer: httpx.Response) -> int:
    """On how many letters the operation has acted that an answer says was started; on a busy machine it is not over yet."""
    id = int(read(answer, Started, 202).id)
    while look.value("select carry_on_operations(only_id => %s)", id) is not None:
        pass
    return int(look.value("select done from operations where id = %s and state = 'done'", id))


def _ids(page: LetterPage) -> list[int]:
    return [int(letter.id) for letter in page.items]


def test_lists_are_paged_and_each_letter_of_one_moment_is_there_once(bury: Bury, look: Look, api: httpx.Client) -> None:
    ids = bury(23)
    look.rows("update dead_letter set finished_at = '2026-01-01Z'")
    seen, cursor = list[int](), ""
    while True:
        page = read(api.get(f"/dead-letters?limit=7{cursor}"), LetterPage)
        seen += _ids(page)
        if page.next is None:
            break
        cursor = f"&cursor={page.next}"
    assert sorted(seen) == ids


def test_lists_give_arguments_and_tracebacks_only_when_asked(
    bury: Bury, api: httpx.Client, calls_as: Callable[..., None]
) -> None:
    bury()
    (letter,) = read(api.get("/dead-letters"), LetterPage).items
    assert (letter.args, letter.traceback, letter.error_message) == (None, None, "no such page")
    (letter,) = read(api.get("/dead-letters?view=full"), LetterPage).items
    assert (letter.args, letter.traceback) == ({"n": 0}, "Traceback: no such page")
    calls_as(may_read_arguments=False)
    assert "view=full" in refused(api.get("/dead-letters?view=full"), 403)
    (letter,) = read(api.get("/dead-letters"), LetterPage).items
    assert (letter.error_message, letter.error_type) == (None, "ValueError")


def test_letters_are_found_by_a_filter(bury: Bury, api: httpx.Client) -> None:
    (mail,) = bury(1, "mail")
    bury(2, "news")
    for query, many in {
        "queue=mail": 1, "queue=mail&queue=news": 3, "task=se*": 3, "task=x": 0, "finished_after=-1 hour": 3,
        "finished_before=-1 hour": 0, f"ids={mail}": 1, 'args={"n": 1}': 1, "error_type=ValueError": 3, "state=failed": 3,
    }.items():  # fmt: skip
        assert len(_ids(read(api.get(f"/dead-letters?{query}"), LetterPage))) == many, query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=ready", "state"), ("view=all", "view"), ("limit=0", "limit"), ("cursor=x", "cursor"), ("ids=x", "ids"),
        ("args={", "args"), ("finished_after=soon", "finished_after"), ("fingerprint=%00", None), ("color=red", "color"),
        ("worker=5", "worker"), ("workflow=x", "workflow"),
    ],
)  # fmt: skip
def test_bad_filters_are_named(api: httpx.Client, query: str, field: str | None) -> None:
    refused(api.get(f"/dead-letters?{query}"), 422, field)


def test_one_letter_has_the_errors_of_all_its_runs(bury: Bury, api: httpx.Client, calls_as: Callable[..., None]) -> None:
    (id,) = bury()
    letter = read(api.get(f"/dead-letters/{id}"), LetterDetail)
    assert (letter.id, letter.args, len(letter.errors), letter.retried) == (str(id), {"n": 0}, 1, 0)
    calls_as(may_read_arguments=False)
    letter = read(api.get(f"/dead-letters/{id}"), LetterDetail)
    assert (letter.args, letter.errors, letter.error_message, letter.traceback) == (None, None, None, None)


def test_what_is_no_dead_letter_is_not_found(app: PgQueue, bury: Bury, api: httpx.Client) -> None:
    bury(0)
    live = app.tasks["send"]
    id = live.enqueue(1).id
    for wrong in (id, 10**9):
        refused(api.get(f"/dead-letters/{wrong}"), 404)
        refused(api.post(f"/dead-letters/{wrong}/retry"), 404)
    refused(api.get("/dead-letters/x"), 422, "job_id")


def test_groups_and_counts(bury: Bury, api: httpx.Client, calls_as: Callable[..., None]) -> None:
    bury(2, "mail")
    bury(1, "news")
    found = read(api.get("/dead-letters/groups"), Groups)
    assert [(group.jobs, sorted(group.queues), group.message) for group in found.groups] == [
        (3, ["mail", "news"], "no such page")
    ]
    assert found.looked_to is None
    (group,) = read(api.get("/dead-letters/groups?series=24h&sort=last_at"), Groups).groups
    assert (len(group.series or ()), sum(group.series or ())) == (24, 3)
    assert found.groups[0].series is None
    refused(api.get("/dead-letters/groups?sort=name"), 422, "sort")
    refused(api.get("/dead-letters/groups?series=1s"), 422, "series")
    counts = read(api.get("/dead-letters/stats?by=host"), Counts)
    assert [(one.value, one.jobs) for one in counts.counts] == [("host", 3)]
    counts = read(api.get("/dead-letters/stats?by=queue"), Counts)
    assert [(one.value, one.jobs) for one in counts.counts] == [("mail", 2), ("news", 1)]
    assert len(read(api.get("/dead-letters/stats?by=hour&queue=mail&limit=1"), Counts).counts) == 1
    refused(api.get("/dead-letters/stats?by=args"), 422, "by")
    refused(api.get("/dead-letters/stats"), 422, "by")
    calls_as(may_read_arguments=False)
    assert read(api.get("/dead-letters/groups"), Groups).groups[0].message is None


def test_an_alert_says_whether_the_threshold_is_reached(bury: Bury, api: httpx.Client) -> None:
    bury(3, "mail")
    for query, is_reached, jobs in (("threshold=3", True, 3), ("threshold=4", False, 3), ("queue=news&threshold=1", False, 0)):
        found = read(api.get(f"/dead-letters/alerts?{query}"), AlertOut)
        assert (found.is_reached, found.jobs) == (is_reached, jobs)
    assert read(api.get("/dead-letters/alerts"), AlertOut).threshold == 100
    refused(api.get("/dead-letters/alerts?threshold=0"), 422, "threshold")


def test_a_letter_runs_again_with_all_its_attempts_or_with_those_it_had(bury: Bury, look: Look, api: httpx.Client) -> None:
    one, two = bury(2)
    again = read(api.post(f"/dead-letters/{one}/retry"), RetriedOut)
    assert (again.id, again.duplicate) == (str(one), False)
    read(api.post(f"/dead-letters/{two}/retry", json={"reset_attempts": False, "run_after": 3600}), RetriedOut)
    assert [look.job(id)["state"] for id in (one, two)] == ["ready", "scheduled"]
    assert [look.value("select attempt from pgqueue.job where id = %s", id) for id in (one, two)] == [0, 1]


def test_a_letter_that_came_back_three_times_needs_force(bury: Bury, look: Look, api: httpx.Client) -> None:
    (id,) = bury()
    look.rows('update dead_letter set control = \'{"retried": 3, "counted": 3}\'')
    refused(api.post(f"/dead-letters/{id}/retry", json={}), 409)
    read(api.post(f"/dead-letters/{id}/retry", json={"force": True}), RetriedOut)


def test_all_letters_of_a_fingerprint_run_again_by_an_operation(bury: Bury, look: Look, api: httpx.Client) -> None:
    bury(3)
    (group,) = read(api.get("/dead-letters/groups"), Groups).groups
    answer = api.post("/dead-letters/retry", json={"fingerprint": group.fingerprint, "reason": "the page is there"})
    started = read(answer, Started, 202)
    assert (started.kind, started.matched, _done(look, answer)) == ("retry", 3, 3)
    assert answer.headers["location"] == f"/api/v1/operations/{started.id}"
    assert look.count("ready") == 3
    (row,) = look.rows("select reason from operations where id = %s", int(started.id))
    assert row["reason"] == "the page is there"


def test_letters_are_purged_by_filter_after_a_dry_run(bury: Bury, look: Look, api: httpx.Client) -> None:
    bury(2, "mail")
    (kept,) = bury(1, "news")
    body = {"filter": {"queue": "mail"}, "reason": "spam"}
    assert _done(look, api.post("/dead-letters/purge", json=body | {"dry_run": True})) == 2
    assert look.count("failed") == 3
    assert _done(look, api.post("/dead-letters/purge", json=body)) == 2
    assert [row["id"] for row in look.rows("select id from dead_letter")] == [kept]


@pytest.mark.parametrize("verb", ["retry", "purge"])
def test_an_empty_filter_needs_all_whatever_the_queues_of_the_key(
    bury: Bury, look: Look, api: httpx.Client, calls_as: Callable[..., None], verb: str
) -> None:
    bury(2, "mail")
    bury(1, "news")
    for queues in (None, frozenset({"mail"})):
        calls_as(queues=queues)
        nothing: list[dict[str, Any]] = [{}, {"filter": {}}, {"filter": {"state": "failed"}}]
        for body in nothing:
            assert "all" in refused(api.post(f"/dead-letters/{verb}", json=body), 422, "filter")
    assert look.count("failed") == 3
    assert _done(look, api.post(f"/dead-letters/{verb}", json={"all": True})) == 2
    assert [row["queue"] for row in look.rows("select queue from dead_letter")] == ["news"]


def test_a_key_for_some_queues_sees_and_retries_only_letters_of_these(
    bury: Bury, look: Look, api: httpx.Client, calls_as: Callable[..., None]
) -> None:
    (mail,), (news,) = bury(1, "mail"), bury(1, "news")
    calls_as(queues=frozenset({"mail"}))
    assert _ids(read(api.get("/dead-letters"), LetterPage)) == [mail]
    assert [group.jobs for group in read(api.get("/dead-letters/groups"), Groups).groups] == [1]
    assert [one.value for one in read(api.get("/dead-letters/stats?by=queue"), Counts).counts] == ["mail"]
    assert read(api.get("/dead-letters/alerts?threshold=1"), AlertOut).jobs == 1
    for path in ("/dead-letters?queue=news", "/dead-letters/groups?queue=news"):
        refused(api.get(path), 403)
    refused(api.get(f"/dead-letters/{news}"), 404)
    refused(api.post(f"/dead-letters/{news}/retry"), 404)
    refused(api.post("/dead-letters/purge", json={"filter": {"queue": "news"}}), 403)
    assert _done(look, api.post("/dead-letters/purge", json={"filter": {"ids": [str(news)]}})) == 0
    assert look.state(news) == "failed"
    read(api.post(f"/dead-letters/{mail}/retry"), RetriedOut)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"filter": {"state": "ready"}}, "filter.state"), ({"filter": {"colour": 1}}, "filter.colour"), ({"by": "eve"}, "by"),
        ({"filter": {"queue": "a"}, "per_second": 0}, "per_second"), ({"filter": {"queue": "a"}, "run_after": -1}, "run_after"),
        ({"filter": {"fingerprint": "a"}, "fingerprint": "b"}, "fingerprint"),
        ({"filter": {"queue": "a"}, "reason": "x" * 1001}, "reason"),
    ],
)  # fmt: skip
def test_bad_orders_are_named_and_nothing_is_done(api: httpx.Client, look: Look, body: dict[str, Any], field: str) -> None:
    refused(api.post("/dead-letters/retry", json=body), 422, field)
    assert look.rows("select from operation") == []


def test_verbs_are_audited_with_the_name_of_the_key(
    bury: Bury, look: Look, api: httpx.Client, calls_as: Callable[..., None]
) -> None:
    one, _ = bury(2)
    calls_as(name="deploy")
    api.post(f"/dead-letters/{one}/retry")
    api.post("/dead-letters/purge", json={"all": True})
    rows = look.rows("select verb, by from audit where verb <> 'finish' order by id")
    assert [(row["verb"], row["by"]) for row in rows] == [("retry", "deploy"), ("start_operation", "deploy")]


def test_a_large_retry_answers_at_once_and_is_left_to_the_workers(bury: Bury, look: Look, api: httpx.Client) -> None:
    (id,) = bury()
    look.rows("create temp table more as select * from dead_letter")
    look.rows("insert into dead_letter select (jsonb_populate_record(d, jsonb_build_object('id', nextval('job_id_seq')))).* "
              "from more d, generate_series(1, 2500)")  # fmt: skip
    started = read(api.post("/dead-letters/retry", json={"all": True}), Started, 202)
    assert started.state in ("collecting", "running")
    assert look.state(id) in ("failed", "ready")
