"""Each finding of doctor is provoked, and gone after its own remedy; a sound install has none."""

import json
import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from pgqueue.database.calls.doctor import NOUNS
from tests.waiting import until

from .conftest import Sql
from .schedule_steps import fire, missed, seen, set_schedule

DAYS_AGO = "now() - interval '2 days'"
UNKEPT = """insert into job_history (id, run_at, created_at, finished_at, state, priority, attempt, max_attempts, rescues, queue,
    task, args) values (1, '2000-01-01', '2000-01-01', '2000-01-01', 'succeeded', 0, 1, 4, 0, 'default', 'noop', '{}')"""
ALIVE = "select register_worker(gen_random_uuid(), 'w', 'host', 1, installed_version(), '{default}', 1, '1 h')"
POOL = "select make_pool('p', 'shop:app')"
AGENT = """insert into agent (id, pool, name, host, pid, version, slots, lease, started_at, heartbeat_at)
    values (gen_random_uuid(), 'p', 'a', 'h', 1, '0', 6, '30 s', now(), clock_timestamp())"""
READY = "select enqueue('noop')"
KNOWS_ADD = "update worker set tasks = '{add}'"
LATE = "update job set run_at = run_at - interval '1 h'"


class Case(NamedTuple):
    """What provokes a finding, and what mends it where the remedy is not a statement: then what people do after reading it."""

    noun: str
    name: str
    severity: str
    provoke: tuple[str, ...]
    mend: str | None = None
    arguments: str = ""


CASES = [
    Case("schema", "object-missing", "error", ("drop index job_scheduled",)),
    Case("schema", "object-missing", "error", ("alter table job drop constraint only_live_states",)),
    Case("schema", "object-missing", "error", ("drop function jitter_of",)),
    Case("schema", "object-missing", "error", ("drop view upkeep_status",)),
    Case("schema", "object-missing", "error", ("drop trigger node_ended on workflow_node",)),
    Case("schema", "object-missing", "error", ("alter table upkeep drop column logs_from",)),
    Case("schema", "object-changed", "error", (
        "create or replace function channel() returns text language sql as 'select 1::text'",)),
    Case("schema", "object-changed", "error", ("alter table setting alter history_days set default 8",),
         "alter table setting alter history_days set default 7"),
    Case("schema", "object-added", "warning", ("create index mine on job (task)",), "drop index mine"),
    Case("schema", "object-added", "warning", ("alter table job add mine int",)),
    Case("schema", "object-added", "warning", ("create table mine (id int)",)),
    Case("vacuum", "table-without-autovacuum", "error", ("alter table job set (autovacuum_enabled = off)",),
         "alter table job reset (autovacuum_enabled)"),
    Case("partitions", "maintenance-late", "warning", (
        ALIVE, "update worker set started_at = now() - interval '1 h'",
        "update upkeep set done_at = now() - interval '1 h', next_at = now() - interval '1 h'")),
    Case("partitions", "partitions-missing", "error", (
        "do $$ declare one text; begin for one in select relname from pg_class where relname ~ '^job_history_[0-9]{8}$' "
        "loop execute format('drop table %I', one); end loop; end $$",)),
    Case("partitions", "partitions-overdue", "warning", ("select make_partition('2020-01-01')",)),
    Case("partitions", "default-partition", "warning", (UNKEPT,)),
    Case("rollups", "roll-ups-late", "warning", (
        ALIVE, "update worker set started_at = now() - interval '1 h'",
        "update roll_up_state set (minute_at, hour_at, check_at, day_at, recheck_at) = (select date_trunc('minute', m), "
        "date_trunc('hour', m), date_trunc('hour', m), date_trunc('day', m), date_trunc('day', m) "
        "from (select now() - interval '7 min') as t(m))")),
    Case("rollups", "roll-ups-late", "warning", (ALIVE, "update worker set started_at = now() - interval '1 h'")),
    Case("workers", "no-worker", "error", (READY,), ALIVE),
    Case("workers", "no-worker", "error", (READY, ALIVE.replace("{default}", "{}")), ALIVE),
    Case("workers", "no-worker", "error", (
        "select set_limit('k', max_running => 1)", "select enqueue('noop', limits => '{k}')"), ALIVE),
    Case("workers", "no-worker", "error", (READY, "update job set rescues = 2"), ALIVE),
    Case("workers", "no-worker", "error", (READY, "update job set state = 'scheduled', run_at = now() - interval '1 s'"), ALIVE),
    Case("workers", "worker-lost", "warning", (ALIVE, "update worker set heartbeat_at = now() - 2 * lease")),
    Case("workers", "worker-polls", "warning", (ALIVE, "update worker set wake_mode = 'polling: a pooler'"),
         "update worker set wake_mode = 'notify'"),
    Case("workers", "worker-version", "warning", (ALIVE, "update worker set version = '0.0.1'"),
         "update worker set version = installed_version()"),
    Case("workers", "worker-clock", "warning", (ALIVE, "select diagnosis_due(id, now() + interval '1 h') from worker"),
         "select diagnosis_due(id, clock_timestamp()) from worker"),
    Case("queues", "queue-not-served", "error", (ALIVE, "select enqueue('noop', queue => 'mail')", LATE),
         "update worker set queues = '{mail}'"),
    Case("queues", "queue-not-served", "error", (ALIVE, "select set_limit('k', max_running => 1)",
         "select enqueue('noop', queue => 'mail', limits => '{k}')", LATE), "update worker set queues = '{mail}'"),
    Case("tasks", "unknown-task", "error", (ALIVE, KNOWS_ADD, READY, "update job set unknown_since = now(), state = 'scheduled'"),
         "update job set unknown_since = null"),
    Case("tasks", "unknown-task", "error", (ALIVE, KNOWS_ADD, READY, LATE), "select cancel(id) from job"),
    Case("tasks", "unknown-task", "error", (ALIVE, KNOWS_ADD, READY, LATE), "update worker set tasks = '{noop}'"),
    Case("tasks", "unknown-task", "error", (
        ALIVE, KNOWS_ADD, "select set_limit('k', max_running => 1)", "select enqueue('noop', limits => '{k}')", LATE),
        "update worker set tasks = '{noop}'"),
    Case("schedules", "schedule-without-task", "error", (
        ALIVE, "update worker set tasks = '{add}'", """select set_schedule('x', '{"every": 9, "job": {"task": "noop"}}')""")),
    Case("schedules", "schedules-silent", "error", (
        """select set_schedule('x', '{"every": 9, "job": {"task": "noop"}}')""",
        "update schedule set look_at = now() - interval '1 h'"), "select due_schedules()"),
    Case("schedules", "schedule-broken", "error", (
        """select set_schedule('x', '{"every": 9, "job": {"task": "noop"}}')""", "update schedule set error = 'no such day'")),
    Case("schedules", "schedule-orphaned", "warning", (
        ALIVE, """select declare_schedule('x', '{"every": 9, "job": {"task": "noop"}}')""")),
    Case("pauses", "pause-forgotten", "warning", (
        "select pause('queue', 'mail', by => 'ada', reason => 'deploy')", f"update pause set paused_at = {DAYS_AGO}")),
    Case("pauses", "pause-forgotten", "warning", (
        "select pause('everything')", f"update pause set paused_at = {DAYS_AGO}")),
    Case("pools", "pool-without-agent", "error", (POOL,), AGENT),
    Case("pools", "pool-without-agent", "error", (POOL, AGENT, "update agent set heartbeat_at = now() - interval '1 h'"), AGENT),
    Case("pools", "pool-without-room", "warning", (POOL, AGENT, "select set_pool('p', minimum => 7)"), AGENT),
    Case("pools", "pool-cannot-start", "error", (POOL, AGENT, "select note_pool('p', 'cannot_start', reason => 'no module p')"),
         "update pool_event set at = at - interval '11 minutes'"),
    Case("pools", "pool-short", "warning", (
        POOL, AGENT, "insert into pool_sample select 'p', now() - n * interval '1 minute', 1, 0, 0 from generate_series(1, 4) n"),
        "update pool_sample set running = 1"),
    Case("workflows", "workflow-drift", "error", (
        """select enqueue_workflow('[{"task": "noop"}, {"task": "noop", "after": [1]}]')""",
        "update workflow_node set pending_parents = 2 where pending_parents = 1")),
    Case("workflows", "workflow-callback", "warning", (
        """select enqueue_workflow('[{"task": "noop"}]')""", "select cancel_workflow(max(id)) from workflow",
        "update workflow set callback_error = 'the limit is gone'"),
         "update workflow set callback_error = null"),
    Case("connections", "connections-scarce", "warning", (ALIVE, "update worker set heartbeat_at = now()"), "delete from worker",
         "each => 1000"),
    Case("plans", "claim-plan", "error", ("drop index job_ready",)),
]  # fmt: skip


def found(sql: Sql, noun: str, arguments: str = "") -> list[dict[str, Any]]:
    """The findings of one check; without dead rows, which tests that are rolled back leave, unless it is asked for them."""
    rows = sql.rows(f"select * from diagnose_{noun}({arguments})")
    return [row for row in rows if arguments or row["name"] != "dead-rows"]


def mend(sql: Sql, remedy: str) -> None:
    """Paste a remedy. psql runs what is selected where it ends with gexec."""
    if remedy.endswith("gexec"):
        path, _, query = remedy.removesuffix("\\gexec").partition("; ")
        sql.connection.execute(path)
        remedy = sql.value(query)
    sql.connection.execute(remedy)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name} {case.provoke[-1][:40]}")
def test_each_finding_is_provoked_and_gone_after_its_remedy(rolled_back_sql: Sql, case: Case) -> None:
    sql = rolled_back_sql
    assert found(sql, case.noun) == []

    for statement in case.provoke:
        sql.connection.execute(statement)
    told = [one for one in found(sql, case.noun, case.arguments) if one["name"] == case.name]

    assert [one["severity"] for one in told] == [case.severity]
    (one,) = told
    assert all(one[part] for part in ("subject", "problem", "consequence", "remedy"))
    assert isinstance(one["figures"], dict)
    if case.mend:
        sql.connection.execute(case.mend)
    else:
        mend(sql, one["remedy"])
    assert [one for one in found(sql, case.noun, case.arguments) if one["name"] == case.name] == []


def test_a_sound_install_has_no_findings(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.connection.execute(ALIVE)
    names = {one["name"] for noun in NOUNS for one in found(sql, noun)}
    assert names <= {"fsync-off"}  # the server of the tests


def test_a_finding_names_the_first_queues_of_many(rolled_back_sql: Sql) -> None:
    """What is too large is not kept at all, see note_findings."""
    sql = rolled_back_sql
    sql.connection.execute("select enqueue('noop', queue => 'q' || n) from generate_series(1, 30) n")
    sql.value(
        "select register_worker(gen_random_uuid(), 'w', 'h', 1, '0', array(select queue from job), 1, '1 h', '{}', '{add}')"
    )
    sql.connection.execute(LATE.encode())
    (one,) = found(sql, "tasks")
    assert (one["figures"]["jobs"], len(one["figures"]["queues"])) == (30, 10)


@pytest.mark.parametrize(
    "mend",
    ["update worker set queues = '{other}'", "update worker set tasks = null", "update worker set heartbeat_at = '2020-01-01'",
     "update job set run_at = clock_timestamp()"],
)  # fmt: skip
def test_jobs_of_an_unknown_task_are_told_after_a_minute_where_a_worker_could_have_it(rolled_back_sql: Sql, mend: str) -> None:
    sql = rolled_back_sql
    for statement in (ALIVE, KNOWS_ADD, READY, LATE):
        sql.connection.execute(statement.encode())
    assert [one["name"] for one in found(sql, "tasks")] == ["unknown-task"]
    sql.connection.execute(mend.encode())
    assert found(sql, "tasks") == []


def test_an_unknown_task_is_told_with_the_nearest_that_workers_of_its_queue_know(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    for statement in (ALIVE, KNOWS_ADD, "select enqueue('ad')", "select enqueue('zebra') from generate_series(1, 2)", LATE):
        sql.connection.execute(statement.encode())
    zebra, ad = [one["problem"] for one in found(sql, "tasks")]
    assert zebra.startswith("no worker alive of queue default has the task 'zebra'; 2 jobs have waited since 2")
    assert not zebra.endswith("?")
    assert ad.startswith("no worker alive of queue default has the task 'ad'; a job has waited since 2")
    assert ad.endswith("; did you mean 'add'?")


def test_many_workers_that_are_alike_are_looked_at_once(rolled_back_sql: Sql) -> None:
    """Each of them for each queue and task took 8 s here."""
    sql = rolled_back_sql
    sql.rows(
        "select register_worker(gen_random_uuid(), 'w' || n, 'h', n, '0', array(select 'q' || i from generate_series(1, 100) i), "
        "1, '1 h', '{}', array(select 'shop.module.task_' || i from generate_series(1, 500) i)) from generate_series(1, 100) n"
    )
    sql.rows("select enqueue('t' || t, queue => 'q' || q) from generate_series(1, 100) q, generate_series(1, 20) t")
    sql.connection.execute(LATE.encode())
    sql.connection.execute("set local statement_timeout = '2 s'")
    assert len(found(sql, "tasks")) == 20


def test_missed_ticks_are_told_until_they_are_made(rolled_back_sql: Sql) -> None:
    """T11."""
    sql = rolled_back_sql
    set_schedule(sql)
    fire(sql, seen(sql, ticks=missed(sql, 40, 30, 10)))

    (one,) = [one for one in found(sql, "schedules") if one["name"] == "schedule-missed"]
    mend(sql, one["remedy"])

    assert one["figures"]["ticks"] == 2
    assert [one["name"] for one in found(sql, "schedules")] == []


@pytest.mark.parametrize(
    ("setting", "value", "name"),
    [("statement_timeout", "5s", "statement-timeout"), ("synchronous_commit", "off", "synchronous-commit-off"),
     ("idle_in_transaction_session_timeout", "1min", "idle-timeout")],
)  # fmt: skip
def test_settings_of_the_database_are_told_with_the_statement_that_resets_them(
    sql: Sql, another_sql: Callable[[], Sql], setting: str, value: str, name: str
) -> None:
    database = sql.value("select current_database()")
    sql.connection.execute(f"alter database {database} set {setting} = '{value}'".encode())

    looking = another_sql()
    looking.connection.execute("set statement_timeout = '10s'")  # as doctor does
    (one,) = [one for one in found(looking, "settings") if one["name"] == name]
    mend(sql, one["remedy"])

    assert one["figures"]["source"] == "database"
    assert name not in {one["name"] for one in found(another_sql(), "settings")}


def test_the_command_for_a_task_of_any_name_can_be_pasted_into_a_shell(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    for statement in (ALIVE, KNOWS_ADD, "select enqueue('it''s $HOME')", LATE):
        sql.connection.execute(statement.encode())
    (one,) = found(sql, "tasks")
    assert shlex.split(one["remedy"].partition("good: ")[2]) == ["pgqueue", "cancel", "--task", "it's $HOME"]


def is_off(sql: Sql) -> list[dict[str, Any]]:
    """The finding that autovacuum is off, if it is."""
    return [one for one in found(sql, "settings") if one["name"] == "autovacuum-off"]


def test_autovacuum_that_is_off_is_told_and_so_is_what_it_leaves(sql: Sql) -> None:
    """FAULTS 27: `pgqueue maintain --vacuum` does the same as the remedy of the dead rows, for all tables."""
    sql.connection.execute("alter system set autovacuum = off")
    sql.value("select pg_reload_conf()")
    try:
        until(lambda: is_off(sql), "the setting")
        (off,) = is_off(sql)
        sql.rows("select enqueue('noop') from generate_series(1, 300)")
        sql.rows("delete from job")
        sql.value("select pg_stat_force_next_flush()")
        (dead,) = found(sql, "vacuum", "dead => 100")
        mend(sql, dead["remedy"])
        sql.value("select pg_stat_force_next_flush()")
        left = found(sql, "vacuum", "dead => 100")
        for statement in off["remedy"].split("; "):
            sql.connection.execute(statement)
        until(lambda: not is_off(sql), "the setting")
    finally:
        sql.connection.execute("alter system reset autovacuum")
        sql.value("select pg_reload_conf()")
    assert (off["severity"], dead["figures"]["dead_rows"], left) == ("error", 300, [])


def test_a_session_that_pins_dead_rows_is_named_and_ended(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """Only the oldest, and how many more there are."""
    holders = [another_sql(), another_sql()]
    for holder in holders:
        holder.connection.execute("begin isolation level repeatable read")
        holder.value("select count(*) from job")

    (one,) = found(sql, "horizon", "'0 s'")
    assert found(sql, "horizon") == []
    mend(sql, one["remedy"])
    until(lambda: found(sql, "horizon", "'0 s'")[0]["figures"]["others"] == 0, "the end of the first")
    mend(sql, found(sql, "horizon", "'0 s'")[0]["remedy"])
    until(lambda: found(sql, "horizon", "'0 s'") == [], "the end of the second")

    assert (one["name"], one["severity"], one["subject"]) == ("pinned-horizon", "warning", "session")
    assert one["figures"]["others"] == 1
    assert str(holders[0].connection.info.backend_pid) in one["problem"]


def test_jobs_with_limits_wait_a_minute_before_their_queue_is_one_that_no_worker_serves(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    limited = "select enqueue('noop', queue => 'mail', limits => '{k}')"
    for statement in (ALIVE, "select set_limit('k', max_running => 1)", limited):
        sql.connection.execute(statement.encode())
    assert found(sql, "queues") == []
    sql.rows("update job set run_at = run_at - interval '61 s'")
    assert [one["name"] for one in found(sql, "queues")] == ["queue-not-served"]


def test_what_else_pins_dead_rows_is_told_with_its_own_remedy(rolled_back_sql: Sql) -> None:
    """Slots and standbys do not say since when: they count in transactions. One hour is an error."""
    sql = rolled_back_sql
    sql.connection.execute(
        """create or replace function pins() returns table (cause text, shown text, since timestamptz, held bigint, remedy text)
           language sql as $$ values
               ('replication slot', 'replication slot old', null::timestamptz, 1000000::bigint, 'select 1'),
               ('standby', 'standby new', null, 999999, 'select 2'),
               ('session', 'a session', clock_timestamp() - interval '2 h', 5, 'select 3') $$"""
    )
    told = found(sql, "horizon")
    assert {one["subject"]: (one["severity"], one["remedy"]) for one in told} == {
        "replication slot": ("warning", "select 1"),
        "session": ("error", "select 3"),
    }
    problems = " and ".join(one["problem"] for one in told)
    assert "old has held a snapshot for 1000000 transactions" in problems
    assert "a session has held a snapshot for 7200 s" in problems


def test_notifications_that_nobody_reads_are_told(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """The one who listens sits in a transaction."""
    listener = another_sql()
    listener.connection.execute("listen deaf")
    listener.connection.execute("begin")
    listener.value("select 1")
    for _ in range(20):
        sql.value("select count(pg_notify('deaf', repeat('x', 7000) || n)) from generate_series(1, 20) n")

    (one,) = found(sql, "notifications", "most => 0")
    assert found(sql, "notifications") == []
    mend(sql, one["remedy"])
    until(lambda: sql.value("select pg_notify('deaf', '')") is not None and not found(sql, "notifications", "most => 0"), "room")

    assert one["name"] == "notification-queue"


def test_zones_are_compared_point_by_point(rolled_back_sql: Sql) -> None:
    """T6."""
    points = [
        {"zone": "Europe/Berlin", "at": "2026-07-01T00:00:00Z", "offset": 7200},
        {"zone": "Europe/Berlin", "at": "2026-12-01T00:00:00Z", "offset": 7200},
        {"zone": "Mars/Olympus", "at": "2026-12-01T00:00:00Z", "offset": 0},
    ]
    rows = rolled_back_sql.rows("select * from diagnose_zones(%s)", json.dumps(points))
    assert [(one["name"], one["subject"]) for one in rows] == [
        ("zone-differs", "Europe/Berlin"),
        ("zone-unknown", "Mars/Olympus"),
    ]
    assert "7200 s and 3600 s" in rows[0]["problem"]


def test_a_view_that_was_restored_or_moved_from_an_older_server_is_not_changed(rolled_back_sql: Sql) -> None:
    """A restore makes it from its own text, and PostgreSQL 15 names the table before each column."""
    sql = rolled_back_sql
    for (text,) in sql.connection.execute("select definition from installed_object where kind = 'view'").fetchall():
        sql.connection.execute(text.encode())
    assert found(sql, "schema") == []
    moved = r"regexp_replace(definition, '(?<=select\s+)(?=\w+,)', 'audit_log.', 'i')"
    sql.connection.execute(rf"update installed_object set definition = {moved} where kind = 'view' and name = 'audit'".encode())
    assert found(sql, "schema") == []
    assert "audit_log." in sql.value("select split_part(definition, ',', 1) from installed_object where name = 'audit'")
    sql.connection.execute(
        "create or replace view upkeep_status as select done_at, next_at, 0 as days_ahead, 0 as overdue from upkeep"
    )
    assert [one["subject"] for one in found(sql, "schema")] == ["view upkeep_status"]


def test_checks_are_not_compiled(rolled_back_sql: Sql) -> None:
    """On a server that was not analyzed yet, that took 5 s, and no timeout cuts it off."""
    compiled = "select proname from pg_proc where proname like 'diagnose\\_%%' and not 'jit=off' = any (proconfig)"
    assert rolled_back_sql.rows(compiled) == []


def test_workers_over_http_open_no_connections(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.connection.execute(ALIVE)
    sql.connection.execute("update worker set heartbeat_at = now(), wake_mode = 'http'")
    assert found(sql, "connections", "each => 1000") == []


def test_an_owner_with_little_rights_counts_the_sessions_that_he_does_not_see(rolled_back_sql: Sql) -> None:
    """Workers log in as another role; of its sessions he is told neither kind nor name."""
    sql = rolled_back_sql
    sql.connection.execute(ALIVE)
    all_of_them = found(sql, "connections", "room => 0")[0]["figures"]["used"]
    sql.connection.execute("create role weak")
    sql.connection.execute(b"grant usage on schema %s to weak" % sql.value("select current_schema()").encode())
    sql.connection.execute("grant select on worker to weak")
    sql.connection.execute("grant execute on function is_alive, connection_bounds to weak")
    sql.connection.execute("alter function diagnose_connections owner to weak")

    figures = found(sql, "connections", "room => 0")[0]["figures"]
    assert figures["used"] >= all_of_them > 0
    assert figures["may_open"] < 10  # this session counts as one of the worker's


STRANGE = [
    Case("schema", "object-added", "warning", ("create index mine on job_history (task)",)),
    Case("schema", "object-added", "warning", ('alter table job add "args.mine" int',)),
    Case("schema", "object-added", "warning", ('alter table job add constraint "only_live_states.mine" check (true)',)),
    Case("schema", "object-added", "warning", ('create table "My.Table" (id int check (id > 0))',)),
    Case("schema", "object-added", "warning", ("create aggregate mine (int) (sfunc = int4pl, stype = int)",)),
    Case("schema", "object-added", "warning", ("create procedure mine() language sql as 'select 1'",)),
]


@pytest.mark.parametrize("case", STRANGE, ids=lambda case: case.provoke[0][:40])
def test_what_people_have_added_is_told_once_and_gone_after_its_remedy(rolled_back_sql: Sql, case: Case) -> None:
    """Names may have dots; an index of all partitions is one; of routines there are several kinds."""
    sql = rolled_back_sql
    sql.connection.execute(case.provoke[0])
    (one,) = found(sql, "schema")
    sql.connection.execute(one["remedy"].replace(" concurrently", ""))
    assert found(sql, "schema") == []
    assert "concurrently" not in one["remedy"]


def test_vacuum_of_tables_that_are_not_ours_is_not_our_concern(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.connection.execute('create table "Mine" (id int) with (autovacuum_enabled = off)')
    assert found(sql, "vacuum") == []


def test_dead_rows_are_told_and_gone_after_a_vacuum(sql: Sql) -> None:
    sql.rows("alter table job set (autovacuum_enabled = off)")
    sql.rows("select enqueue('noop') from generate_series(1, 100)")
    sql.rows("delete from job")
    sql.value("select pg_stat_force_next_flush()")
    (one,) = [one for one in found(sql, "vacuum", "dead => 50") if one["name"] == "dead-rows"]
    assert (one["subject"], one["severity"], one["figures"]["dead_rows"]) == ("job", "warning", 100)

    mend(sql, one["remedy"])
    sql.value("select pg_stat_force_next_flush()")
    assert [one["name"] for one in found(sql, "vacuum", "dead => 50")] == ["table-without-autovacuum"]
