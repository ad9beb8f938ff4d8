"""/metrics: what Prometheus reads."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from pgqueue import PgQueue
from pgqueue.api import create_app
from pgqueue.api.health.kept import Kept
from pgqueue.api.prometheus import exposition
from pgqueue.api.prometheus.families import FAMILIES
from tests.api.serving import served
from tests.rolled import pass_minutes

Samples = dict[tuple[str, tuple[str, ...]], float]
ID = "00000000-0000-0000-0000-000000000001"
DOCS = Path(__file__).parents[2] / "docs"
HISTORY = """
    insert into job_history (id, state, queue, task, args, priority, attempt, max_attempts, run_at, created_at, claimed_at,
                             finished_at, elapsed, rescues)
    select n, 'succeeded', 'queue' || n %% 50, 'task' || n %% 100, '{}', 0, 1, 1, t - interval '2 s', t - interval '2 s',
           t - interval '1 s', t, 1, 0
      from (select n, clock_timestamp() - n %% 7200 * interval '1 s' as t from generate_series(1, %s) n) made
"""


@pytest.fixture
def root(base_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A client that is answered anew each time."""
    monkeypatch.setattr(Kept, "get", Kept._make_one)
    with httpx.Client(base_url=base_url, timeout=20) as client:
        yield client


def read(text: str) -> Samples:
    """The samples by their names and the values of their labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, tuple(sample.labels[name] for name in FAMILIES[sample.name].labels)] = sample.value
    return found


def test_jobs_are_shown_by_queue_and_state_and_those_that_have_ended_by_outcome(
    app: PgQueue, root: httpx.Client, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    @app.task(queue="mail", retry=0)
    def send(fails: bool) -> None: ...

    for _ in range(4):
        send.enqueue(False)
    connection = connect()
    connection.execute(f"select register_worker('{ID}', 'w', 'h', 1, '0', '{{mail}}', 3, '1 h')")
    jobs = connection.execute(f"select id from claim('{ID}', '{ID}', '{{mail}}', 3)").fetchall()
    outcomes = [
        {"id": id, "token": ID, "state": state, "elapsed": 0.5, "error": {"type": "E", "message": "no"}}
        for (id,), state in zip(jobs, ("succeeded", "succeeded", "failed"), strict=True)
    ]
    connection.execute("select finish(%s)", [json.dumps(outcomes)])
    pass_minutes(connection)
    found = read(root.get("/metrics").text)
    assert found["pgqueue_jobs", ("mail", "ready")] == 1
    assert found["pgqueue_jobs", ("mail", "running")] == 0
    assert found["pgqueue_oldest_ready_seconds", ("mail",)] > 0
    assert found["pgqueue_dead_letters", ("mail",)] == 1
    assert found["pgqueue_jobs_ended_total", ("mail", "succeeded")] == 2
    assert found["pgqueue_jobs_ended_total", ("mail", "failed")] == 1
    assert found["pgqueue_task_jobs_ended_total", ("send", "cancelled")] == 0
    assert found["pgqueue_task_failed_attempts_total", ("send",)] == 1
    assert found["pgqueue_task_recent_run_seconds", ("send", "0.95")] > 0
    assert found["pgqueue_workers", ("idle",)] == 1


def test_it_is_text_and_open_metrics_by_the_header_accept(app: PgQueue, root: httpx.Client) -> None:
    plain = root.get("/metrics")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    opened = root.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0, text/plain;q=0.5"})
    assert opened.headers["content-type"].startswith("application/openmetrics-text")
    assert opened.text.endswith("# EOF\n")
    assert list(openmetrics.text_string_to_metric_families(opened.text))  # type: ignore[no-untyped-call]
    assert read(plain.text).keys() >= {("pgqueue_info", ("0.1.0.dev0", "pgqueue"))}


def test_two_servers_answer_the_same(app: PgQueue, database_url: str, connection: psycopg.Connection[Any]) -> None:
    connection.execute(HISTORY, [1000])
    pass_minutes(connection)
    texts = []
    for _ in range(2):
        with served(create_app(PgQueue(database_url))) as url:
            texts.append(read(httpx.get(f"{url}/metrics").text))
    assert texts[0].keys() == texts[1].keys()
    assert {key for key in texts[0] if texts[0][key] != texts[1][key]} <= {
        ("pgqueue_database_connections", ()), ("pgqueue_database_horizon_transactions", ()),
        ("pgqueue_database_oldest_snapshot_seconds", ()), *(key for key in texts[0] if "dead_rows" in key[0]),
    }  # fmt: skip


def test_counters_do_not_go_back_when_hours_and_days_are_closed(root: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    """Three days are rolled up a step at a time; what is counted only grows, and at the end it is everything."""
    connection.execute(HISTORY.replace("n %% 7200 * interval '1 s'", "n * interval '1600 s'"), [150])
    before: Samples = {}
    for _ in range(500):
        done = _one_step(connection)
        now = read(root.get("/metrics").text)
        assert [key for key in before if key[0].endswith("_total") and now.get(key, 0) < before[key]] == []
        before = now
        if done:
            break
    total = sum(value for key, value in before.items() if key[0] == "pgqueue_jobs_ended_total")
    counted = connection.execute("select sum(succeeded) from metric_minute").fetchone()
    assert counted is not None
    assert total == counted[0] > 140
    assert connection.execute("select count(*) from metric_total").fetchone() != (0,)


def _one_step(connection: psycopg.Connection[Any]) -> bool:
    """Some steps of roll_up; whether nothing is left."""
    closed = "date_bin('1 minute', clock_timestamp(), '2000-01-01Z')"
    for _ in range(20):
        connection.execute(
            f"""do $$ declare its roll_up_state; begin
                select * into its from roll_up_state;
                its := begun(its, {closed});
                if its.minute_at < {closed} or has_unclosed(its) then  -- else a day would be closed that is not over
                    its := roll_up_step(its, {closed});
                end if;
                update roll_up_state set (minute_at, check_at, hour_at, recheck_at, day_at)
                    = row(its.minute_at, its.check_at, its.hour_at, its.recheck_at, its.day_at);
            end $$"""
        )
    left = connection.execute(f"select minute_at < {closed} or has_unclosed(s) from roll_up_state s").fetchone()
    return left == (False,)


def test_only_so_many_queues_and_tasks_have_a_label(
    root: httpx.Client, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "MOST", 10)
    connection.execute(HISTORY, [1000])
    connection.execute("select enqueue('noop', queue => 'live' || n) from generate_series(1, 20) n")
    pass_minutes(connection)
    found = read(root.get("/metrics").text)
    queues = {key[1][0] for key in found if key[0] == "pgqueue_jobs"}
    assert len(queues) == 11
    assert "other" in queues
    assert found["pgqueue_jobs", ("other", "ready")] == 20
    assert len({key[1][0] for key in found if key[0] == "pgqueue_task_jobs_ended_total"}) == 11
    assert sum(value for key, value in found.items() if key[0] == "pgqueue_jobs_ended_total") == 1000
    assert len(found) < 400


def test_limits_pauses_schedules_operations_and_workers_are_there(
    app: PgQueue, root: httpx.Client, connection: psycopg.Connection[Any]
) -> None:
    connection.execute("select set_limit('api', 60, '1 minute', max_running => 2)")
    connection.execute("select pause('queue', 'mail')")
    connection.execute("""select set_schedule('nightly', '{"every": 3600, "job": {"task": "noop"}}')""")
    connection.execute("select enqueue('noop', queue => 'mail')")
    connection.execute("""select start_operation('cancel', '{"queue": "mail"}')""")
    connection.execute("update operation set state = 'running', finished_at = null")  # a small one is done at once
    found = read(root.get("/metrics").text)
    assert found["pgqueue_limit_rate", ("api",)] == 60
    assert found["pgqueue_limit_max_running", ("api",)] == 2
    assert found["pgqueue_paused", ("queue", "mail")] == 1
    assert found["pgqueue_schedules", ("enabled",)] == 1
    assert found["pgqueue_schedule_missed_ticks", ("nightly",)] == 0
    assert found["pgqueue_operations_open", ("cancel",)] == 1
    assert found["pgqueue_database_connections", ()] >= 1


def test_pools_say_how_many_workers_they_want_have_and_need(root: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    connection.execute("select make_pool('mail', 'shop:app', queues => '{mail}', concurrency => 10, wanted => 4)")
    connection.execute("select register_worker(gen_random_uuid(), 'w', 'h', 1, '0', '{mail}', 10, '60 s')")
    connection.execute("select enqueue('noop', queue => 'mail') from generate_series(1, 21)")
    found = read(root.get("/metrics").text)
    names = ("wanted", "needed")
    assert [found[f"pgqueue_pool_workers_{name}", ("mail",)] for name in names] == [4, 3]
    assert found["pgqueue_pool_workers", ("mail",)] == 1


def test_hostile_names_do_not_break_the_text(root: httpx.Client, connection: psycopg.Connection[Any]) -> None:
    hostile = 'a"b\\c\nd{e="f"} 1'
    connection.execute(HISTORY, [3])
    connection.execute("update job_history set task = %s", [hostile])
    pass_minutes(connection)
    for accept in ("text/plain", "application/openmetrics-text"):
        text = root.get("/metrics", headers={"Accept": accept}).text
        assert read(text.removesuffix("# EOF\n"))["pgqueue_task_jobs_ended_total", (hostile, "succeeded")] == 3


def test_scrapers_of_one_second_share_one_look(base_url: str, connect: Callable[..., psycopg.Connection[Any]]) -> None:
    connection = connect()
    connection.execute("create sequence asked")
    connection.execute(
        "create or replace function server_samples() returns table (metric text, labels text[], value float8) language sql "
        "volatile as $$ select 'pgqueue_info', array['x', 'y'], nextval('asked')::float8 $$"
    )
    with httpx.Client(base_url=base_url) as client:
        for _ in range(100):
            client.get("/metrics")
    [(asked,)] = connection.execute("select last_value from asked").fetchall()
    assert asked <= 10


def test_each_metric_is_explained_in_the_guide() -> None:
    guide = (DOCS / "prometheus.md").read_text()
    explained = set(re.findall(r"^\| `(pgqueue_\w+)` ", guide, re.MULTILINE))
    assert explained == FAMILIES.keys()


def test_each_sample_of_sql_has_a_family() -> None:
    sql = Path(__file__).parents[2] / "sql/functions/metrics"
    named = {name for file in sql.glob("_*_samples.sql") for name in re.findall(r"'(pgqueue_\w+)'", file.read_text())}
    assert named == FAMILIES.keys()


@pytest.mark.alone
@pytest.mark.slow
def test_a_scrape_with_a_million_rows_of_history_takes_less_than_50_ms(
    root: httpx.Client, connection: psycopg.Connection[Any]
) -> None:
    connection.execute(HISTORY.replace("clock_timestamp() -", "clock_timestamp() - interval '3 minutes' -"), [1_000_000])
    while (connection.execute("select roll_up()").fetchone() or (0,))[0] < 1:
        pass
    connection.execute("analyze")
    root.get("/metrics")
    took = min(root.get("/metrics").elapsed.total_seconds() for _ in range(5))
    assert took < 0.05


def test_an_api_that_does_upkeep_is_no_worker_that_could_run_the_jobs_that_wait(
    root: httpx.Client, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    connect().execute(f"select register_worker('{ID}', 'api', 'h', 1, '0', '{{}}', 1, '1 h')")
    found = read(root.get("/metrics").text)
    assert [found["pgqueue_workers", (status,)] for status in ("active", "idle", "dead")] == [0, 0, 0]
    assert found["pgqueue_worker_slots", ()] == 0
