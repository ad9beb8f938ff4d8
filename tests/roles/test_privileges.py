"""FAULTS 46: who may what, relation by relation and function by function; what is not listed here fails."""

import re
from typing import Any, NamedTuple

import psycopg
import pytest

from pgqueue.database.calls.doctor import NOUNS

from .conftest import LOGINS, Install, permitted

NOBODY: frozenset[str] = frozenset()
ADMIN = frozenset({"admin"})
PRODUCERS = ADMIN | {"producer", "worker"}
WORKER = ADMIN | {"worker"}
READERS = ADMIN | {"viewer", "operator"}
WATCHERS = READERS | WORKER
OPERATOR = ADMIN | {"operator"}
CARERS = WORKER | OPERATOR
ID = "00000000-0000-0000-0000-000000000001"


class May(NamedTuple):
    """Who may call a function, and a call of it that goes through to the tables."""

    who: frozenset[str]
    sample: str = ""


FUNCTIONS = {
    "enqueue": May(PRODUCERS, "enqueue('noop', notify => true)"),
    "enqueue_plain": May(PRODUCERS, "enqueue_plain('noop', '{}', 'default', 0, true)"),
    "enqueue_many": May(PRODUCERS, "enqueue_many('noop', '[{}]')"),
    "enqueue_select": May(PRODUCERS, "enqueue_select('noop', array['{}'::jsonb])"),
    "enqueue_workflow": May(PRODUCERS, """enqueue_workflow('[{"task": "noop"}]')"""),
    "extend_workflow": May(PRODUCERS, """extend_workflow(1, '[{"task": "noop"}]')"""),
    "last_nodes": May(PRODUCERS | READERS, "last_nodes(1)"),
    "installed_version": May(PRODUCERS | READERS, "installed_version()"),
    "find_duplicate": May(PRODUCERS, "find_duplicate('noop')"),
    "enqueue_once": May(PRODUCERS, """enqueue_once('', 'k', 'd', '[{"task": "noop"}]')"""),
    "first_refused": May(PRODUCERS, """first_refused('[{"task": "noop"}]')"""),
    "key_holder": May(READERS, "key_holder(1)"),
    "register_worker": May(WORKER, f"register_worker('{ID}', 'w', 'h', 1, '0', '{{}}', 1, '1 s')"),
    "heartbeat": May(WORKER, f"heartbeat('{ID}', '{{}}', 'notify')"),
    "ask_stacks": May(OPERATOR, f"ask_stacks('{ID}')"),
    "tell_worker": May(OPERATOR, f"tell_worker('{ID}', 'drain')"),
    "register_agent": May(WORKER, f"register_agent('{ID}', 'mail', 'a', 'h', 1, '0', 1, '1 s')"),
    "agent_turn": May(WORKER, f"agent_turn('{ID}')"),
    "retire_agent": May(WORKER, f"retire_agent('{ID}')"),
    "answer_stacks": May(WORKER, f"answer_stacks('{ID}', '{{}}')"),
    "retire_worker": May(WORKER, f"retire_worker('{ID}')"),
    "claim": May(WORKER, f"claim('{ID}', '{ID}', '{{default}}', 1)"),
    "claim_jobs": May(WORKER, f"claim_jobs('{ID}', '{ID}', '{{1}}')"),
    "claimed_jobs": May(WORKER, f"claimed_jobs('{ID}', '{ID}')"),
    "confirm": May(WORKER, f"""confirm('{ID}', '[{{"id": 1, "state": "failed"}}]')"""),
    "run_steps": May(WORKER, f"run_steps(1, '{ID}')"),
    "progress": May(WORKER, f"progress(1, '{ID}', 1)"),
    "note_soft_timeouts": May(WORKER, "note_soft_timeouts('[]')"),
    "save_step": May(WORKER, f"save_step(1, '{ID}', 'charge')"),
    "steps": May(WATCHERS, "steps(1)"),
    "wait_for": May(WORKER, f"wait_for(1, '{ID}', 'approved')"),
    "signal": May(PRODUCERS | OPERATOR, "signal(1, 'approved')"),
    "signals": May(READERS, "signals(1)"),
    "finished": May(WORKER, f"finished(1, '{ID}', pg_current_xact_id())"),
    "wake_waiters": May(WORKER, "wake_waiters('{1}')"),
    "finish": May(WORKER, f"""finish('[{{"id": 1, "token": "{ID}", "state": "failed"}}]')"""),
    "complete": May(WORKER, f"complete(1, '{ID}')"),
    "fail": May(WORKER, f"fail(1, '{ID}', '{{}}')"),
    "snooze": May(WORKER, f"snooze(1, '{ID}', 1)"),
    "give_back": May(WORKER, f"give_back('{ID}', '{{1}}')"),
    "reconcile": May(WORKER, f"reconcile('{ID}', '{{}}')"),
    "promote": May(CARERS, "promote()"),
    "expire": May(CARERS, "expire()"),
    "mark_lost": May(CARERS, "mark_lost()"),
    "rescue": May(CARERS, "rescue()"),
    "maintain": May(CARERS, "maintain()"),
    "maintain_if_due": May(WORKER, "maintain_if_due()"),
    "repair_workflows": May(OPERATOR, "repair_workflows()"),
    "workflow_drift": May(READERS, "workflow_drift()"),
    "workflow_shape": May(READERS, "workflow_shape(1)"),
    "relatives": May(READERS, "relatives(1)"),
    "cancel_workflow": May(OPERATOR, "cancel_workflow(1)"),
    "retry_workflow": May(OPERATOR, "retry_workflow(1)"),
    "parents": May(WORKER, "parents('{1}')"),
    "cancel_requests": May(WORKER, f"cancel_requests('{ID}')"),
    "explain": May(WATCHERS, "explain(1)"),
    "explain_each": May(WATCHERS, "explain_each('{1}')"),
    "unserved": May(WATCHERS, "unserved()"),
    "unknown_queues": May(WORKER, "unknown_queues('{mial}', '{mail}')"),
    "cancel": May(OPERATOR, "cancel(1)"),
    "retry": May(OPERATOR, "retry(1)"),
    "discard": May(OPERATOR, "discard(1)"),
    "dead_groups": May(READERS, "dead_groups()"),
    "dead_stats": May(READERS, "dead_stats('task')"),
    "crossed_dead_letters": May(WORKER, "crossed_dead_letters('x', 100, 80)"),
    "update": May(OPERATOR, "update(1, priority => 1)"),
    "start_operation": May(OPERATOR, """start_operation('cancel', '{"ids": [1]}')"""),
    "carry_on_operations": May(CARERS, "carry_on_operations()"),
    "cancel_operation": May(OPERATOR, "cancel_operation(1)"),
    "extend_result": May(OPERATOR, "extend_result(1, '1 h')"),
    "delete_result": May(OPERATOR, "delete_result(1)"),
    "ended": May(WATCHERS, "ended('{1}')"),
    "ask_results": May(WATCHERS, "ask_results()"),
    "result": May(WATCHERS, "result(1)"),
    "lacks_worker": May(READERS, "lacks_worker('default', 'noop')"),
    "unknown_since": May(READERS, "unknown_since('ready', null, 'default', 'noop', now())"),
    "foreign_tasks": May(WORKER, "foreign_tasks('{default}', '{noop}')"),
    "bury_worker": May(WORKER, f"bury_worker('{ID}', 'its process was killed by SIGKILL')"),
    "has_work": May(WATCHERS, "has_work('{default}')"),
    "channel": May(WATCHERS, "channel()"),
    "list_limits": May(READERS, "list_limits()"),
    "limit_starts": May(READERS, "limit_starts('x')"),
    "declare_limit": May(WORKER, """declare_limit('x', '{"max_running": 1}')"""),
    "set_limit": May(OPERATOR, "set_limit('x', 1, '1 s')"),
    "delete_limit": May(OPERATOR, "delete_limit('x')"),
    "reset_limit": May(OPERATOR, "reset_limit('x')"),
    "park": May(CARERS, "park('x', '2000-01-01')"),
    "park_from_job": May(WORKER, "park_from_job('x', '2000-01-01')"),
    "unpark": May(OPERATOR, "unpark('x')"),
    "sweep_lanes": May(CARERS, "sweep_lanes()"),
    "declare_schedule": May(WORKER, """declare_schedule('x', '{"every": 9, "job": {"task": "noop"}}')"""),
    "due_schedules": May(WORKER, "due_schedules()"),
    "fire_schedules": May(WORKER, """fire_schedules('[{"name": "x"}]')"""),
    "orphaned_schedules": May(WORKER, "orphaned_schedules()"),
    "set_schedule": May(OPERATOR, "set_schedule('x', '{}')"),  # what needs more is in tests/attacks/test_operators.py
    "delete_schedule": May(OPERATOR, "delete_schedule('x')"),
    "pause_schedule": May(OPERATOR, "pause_schedule('x')"),
    "resume_schedule": May(OPERATOR, "resume_schedule('x')"),
    "trigger_schedule": May(OPERATOR, "trigger_schedule('x')"),
    "backfill_schedule": May(OPERATOR, "backfill_schedule('x', '{}')"),
    "make_pool": May(OPERATOR, "make_pool('', 'shop:app')"),  # as set_schedule
    "set_pool": May(OPERATOR, "set_pool('p', maximum => 9)"),
    "scale_pool": May(OPERATOR, "scale_pool('p', 1)"),
    "roll_pool": May(OPERATOR, "roll_pool('p')"),
    "pause_pool": May(OPERATOR, "pause_pool('p')"),
    "resume_pool": May(OPERATOR, "resume_pool('p')"),
    "sample_pools": May(WORKER, "sample_pools()"),
    "delete_pool": May(OPERATOR, "delete_pool('p')"),
    "set_autoscale": May(OPERATOR, "set_autoscale('p')"),
    "autoscale": May(WORKER, "autoscale('p')"),
    "scaling_hint": May(READERS | {"scaler"}, "scaling_hint('p')"),
    "set_queue": May(OPERATOR, """set_queue('x', '{"max_ready": 1}')"""),
    "pause": May(OPERATOR, "pause('queue', 'x')"),
    "resume": May(OPERATOR, "resume('queue', 'x')"),
    "sweep_queues": May(CARERS, "sweep_queues()"),
    "look_at_queues": May(WORKER, "look_at_queues('{a}')"),
    "sweep_depths": May(WORKER, "sweep_depths()"),
    "draining": May(OPERATOR, "draining('x')"),
    "reset_queue": May(OPERATOR, "reset_queue('x')"),
    "jitter_of": May(WATCHERS, "jitter_of('x', '2000-01-01', 1)"),
    "check_filter": May(READERS, "check_filter('{}')"),
    "read_filter": May(READERS, "read_filter('queue:mail')"),
    "preview_operation": May(READERS, "preview_operation('cancel', '{}', true)"),
    "matching_ids": May(READERS, "matching_ids('{}', 0, null, 1)"),
    "list_jobs": May(READERS, "list_jobs('{}')"),
    "changed_jobs": May(READERS, "changed_jobs('{}', 1, 1, now())"),
    "count_jobs": May(READERS, "count_jobs('{}')"),
    "add_log": May(WORKER, f"""add_log('{ID}', '[{{"id": 1, "token": "{ID}", "attempt": 1, "lines": []}}]')"""),
    "watch": May(WATCHERS, "watch(1)"),
    "ask_watch": May(WATCHERS, "ask_watch('{1}')"),
    "diagnose_zones": May(WATCHERS, "diagnose_zones('[]')"),
    "zones_in_use": May(WATCHERS, "zones_in_use()"),
    "diagnosis_due": May(WORKER, f"diagnosis_due('{ID}', now() + interval '1 h')"),
    "note_findings": May(WORKER, "note_findings('[]', '{settings}')"),
    "roll_up": May(WORKER, "roll_up()"),
    "metrics": May(READERS, "metrics()"),
    "metric_series": May(READERS, "metric_series('1 h', clock_timestamp() - interval '2 h')"),
    "queue_activity": May(READERS, "queue_activity()"),
    "percentile_ms": May(READERS, "percentile_ms('{1}', '{1}', 0.5)"),
    "create_key": May(ADMIN, "create_key('abcdefghijkl', sha256('x'), 'deploy', 'viewer')"),
    "revoke_key": May(ADMIN, "revoke_key('abcdefghijkl')"),
    "find_key": May(ADMIN, "find_key('abcdefghijkl')"),
    "has_keys": May(ADMIN, "has_keys()"),
    "note_key_used": May(ADMIN, "note_key_used('{abcdefghijkl}')"),
    "samples": May(READERS, "samples()"),
    "wake": May(NOBODY, "wake('default')"),
} | {
    f"diagnose_{noun}": May(WATCHERS, f"diagnose_{noun}()") for noun in NOUNS
} | dict.fromkeys(
    (
        "cut_cause", "dead_filter", "dead_look", "dead_looked_to", "dead_parts", "dead_source", "step_series",
        "error_identity", "frames_of", "message_shape", "prune_dead", "prune_requests",
        "check_cost", "check_interval", "check_length", "check_size", "check_stored", "check_worker", "claim_bytes", "due_after",
        "sane_elapsed", "fits", "fitting", "in_walks",
        "checked_leave_out", "check_about", "check_fields", "check_figures", "figure",
        "fitting_rows", "large_bytes", "most_cost", "payable", "refused_result", "result_bytes",
        "attempt_number", "terms_after",
        "append_error", "assert_active", "in_utc", "check_args", "check_columns", "check_enqueue", "check_jobs", "check_retry",
        "check_unique", "drop_partitions", "key_values", "finish_ended", "finish_unended", "hold_key", "insert_job",
        "insert_jobs", "insert_element", "insert_unique", "invalid", "job_options",
        "holders_gone", "make_partition", "pick_suspect", "prune", "refuse", "rescue_job", "run_again",
        "changed_key", "changes_of_retry", "check_by", "check_reason", "check_rules", "control_of_retry", "hold_dead",
        "assert_may_enqueue", "assert_known", "caller", "caller_may",
        "mute", "retry_applies", "retry_delay", "set_notify", "state_at", "unique_digest", "wake_for",
        "maker", "is_withheld", "lasting", "lasting_time", "lasting_interval", "in_iso", "take_step", "policy_seconds",
        "delay_of", "follow_clock", "is_saving", "kept_at", "last_to_open", "save_tokens",
        "cancel_again", "cancel_held", "cancel_asked", "cancel_running", "cancel_waiting", "check_force", "fence",
        "with_request", "end_forced", "count_interruptions", "end_interrupted",
        "channel_of", "in_utc", "block_unstarted", "end_blocking", "waiting_nodes",
        "check_trace", "with_trace", "with_traces",
        "terms_from", "checked_terms", "seconds_of", "stored_of", "with_terms", "with_ends", "end_of",
        "with_left", "may_start", "end_waiting", "late_error", "end_overdue", "check_timed",
        "days_ahead", "empty_partitions", "make_partitions", "mend_workflows", "partitions_before", "run_maintain",
        "end_workflows_singly",
        "boxes_by_depth", "alike_nodes", "node_depths", "edges_above", "edges_by",
        "add_nodes", "adopt", "adopt_into", "checked_callback", "check_nodes", "count_more", "dead_parents", "depend",
        "edges_of", "end_nodes", "enqueue_callback", "finish_at_once", "finish_batch", "finish_nodes",
        "finish_plain", "grow_workflow", "hold_parents",
        "hold_plain", "insert_nodes", "check_run_if", "refuse_contradiction",
        "insert_plain_nodes", "insert_nodes_singly", "is_cancelled",
        "is_node", "link_added", "link_nodes", "lock_workflows", "node_ended", "node_of", "node_ref", "prepare_nodes",
        "prune_workflows", "refuse_link", "refuse_orphan", "repair_workflow",
        "restore_skipped", "revive", "settle", "skip_nodes", "skipped_error", "wait_for_all", "wait_longer",
        "unended_verdict",
        "assert_payload_fits",
        "assert_signal_fits", "check_payload", "check_step_name", "prune_steps", "refuse_more_steps", "wait_anew", "waiting_for",
        "wakes_at",
        "add_buckets", "affordable", "assert_limit", "check_limit_key", "check_limit_name", "check_limit_options",
        "check_limit_template", "check_limits", "claim_gated", "claim_lanes", "count_places", "default_burst", "free_keys",
        "front_of_line", "insert_limited_jobs", "keys_to_park", "lane_of", "lane_quotas", "limit_key", "line_begins",
        "limit_keys", "limit_of", "is_open",
        "lock_buckets", "look_at_keys", "next_turn", "note_line_start",
        "open_keys", "open_limit", "opening_of", "park_keys", "pay",
        "refilled", "refund", "sweep_keys", "take_turn", "take_turns", "tidy_lanes", "waiting_queues",
        "check_operation", "states_of_kind", "operation_filter", "checked_spec", "collect_jobs", "states_of", "wanted_states",
        "foreseen_outcome", "count_outcomes", "with_counts", "save_operation", "do_chunk", "next_pass", "do_group",
        "lock_members", "do_job", "try_one", "cancel_plain", "new_request", "prune_operations",
        "advance", "changed_members", "check_choice", "check_expressions", "check_schedule_name", "checked_scheduled_job",
        "check_seconds", "check_timezone", "checked_schedule", "decide_tick", "due_ticks", "fire_one", "fire_together",
        "hold_schedule", "is_live", "is_plain", "lock_schedule", "make_job", "merge_schedule", "note_look", "note_missed",
        "note_tick", "plan_ticks", "save_schedule", "schedule_changes", "schedule_defaults", "schedule_fields",
        "checked_field", "checked_id", "checked_ids", "checked_object", "is_id", "checked_text", "checked_texts", "checked_time",
        "checked_uuid", "filter_fields", "filter_of", "filter_places", "filter_terms", "find_ids", "has_index_on", "ids_in",
        "ids_with", "known_ids", "texts_of", "names_of", "likes_of",
        "with_term", "values_in", "contained_in", "merged", "with_times", "with_text", "in_both",
        "bounds_of", "cursor_of", "known_before", "listed", "look_through", "order_of", "order_through", "part_of", "place_of",
        "ranges_of", "walk_through", "walks_of", "changed_in",
        "schedule_timing", "in_microseconds", "skip_tick", "tick_element", "try_job", "with_tick", "with_utc", "without_nulls",
        "check_queue_name", "check_setting", "checked_settings", "interval_of", "check_pause_name", "unpaused", "peers_of",
        "pick_others", "starving",
        "count_due_in", "depth_part", "depth_pause", "drop_sample", "is_large", "keep_depths", "live_depths", "sample_active",
        "sample_depths", "save_sample",
        "check_key", "client_address", "take_request", "try_lock", "lock_slot",
        "audit", "audited", "job_facts", "keep_audit", "prune_audit", "audit_end", "cancel_job", "retry_job", "discard_job",
        "update_job", "update_facts", "end_workflow", "change_limit", "set_declared", "without_fields", "limit_facts",
        "unknown_limit",
        "unkept", "is_kept", "check_depth", "check_depths", "count_ready", "drop_oldest", "oldest_ready", "insert_each",
        "begun", "bucket_of", "bucket_value", "check_minute", "close_day", "close_hour", "close_minute", "depths_at",
        "failed_attempts", "has_unclosed", "is_rolled_up", "metric_figures", "metric_rows", "next_end", "note_gone",
        "note_unkept",
        "prune_metrics", "roll_up_day", "roll_up_hour", "roll_up_minute", "roll_up_step", "roll_up_to", "rows_of",
        "sample_depths", "sample_minute",
        "job_samples", "state_samples", "server_samples", "total_up",
        "seconds_in", "series_figures", "sum_rows", "sum_up", "unkept_rows", "waited", "worker_figures",
        "insert_lines", "kept_fields", "line_bytes", "prune_logs", "refused_runs", "trim_log",
        "discard_of", "audited_changes_of", "release_of", "version_of",
        "busy_for", "changes_of", "counted", "ended_as", "ended_per_second", "ends_of", "expired_of", "figures_of_end", "held_by",
        "holders_of", "causes_of", "held_up", "said_of_many", "queues_with_jobs",
        "is_alive", "jobs_before", "knows_task", "limit_on", "limits_of", "nearest_name", "operations_on", "last_part",
        "parents_of", "pauses_on", "said_at", "said_end", "said_error", "said_name", "said_names", "said_progress", "said_since",
        "note_pool", "hold_pool", "hold_lasting_pool", "tell_agents", "pool_facts", "check_pool",
        "check_pool_app", "check_pool_queues", "prune_pools", "check_wanted", "save_pool", "store_wanted", "set_paused",
        "end_pool",
        "pool_named", "refuse_pool", "scaling_rules", "check_scaling_rule", "changed_rules", "is_of_pool", "soon_ready",
        "pool_samples", "crew_of", "queues_of", "known_to", "load_of", "startable", "suspects", "startable_in_lanes",
        "waits_since", "scaling_figures", "decide_scaling", "asks_for_more", "is_low", "workers_needed", "grown", "is_past",
        "note_scaling", "connection_bounds", "connections_left", "replication_lag",
        "check_agent", "put_in_order", "renew_agent", "note_trouble", "drop_ended", "note_slots", "free_lost_slots",
        "release_slots", "arrange_slots", "leave_slots", "slots_of", "take_slots", "fair_share", "roll_slots", "even_hosts",
        "said_span", "said_time", "said_until", "said_worker", "seconds_until", "time_of", "tokens_on", "turn_of", "why_over",
        "why_running", "why_waiting", "workers_for",
        "objects", "note_objects", "unqualified", "pins",
        "rights_of_others", "take_from_others",
    ),
    May(NOBODY),
)  # fmt: skip
RELATIONS = dict.fromkeys(
    (
        "setting", "upkeep", "clock", "lock",
        "job", "new_job", "job_kept", "ending_job", "job_history", "dead_letter", "job_result", "forced_cancel",
        "worker", "worker_stacks", "rescue_log", "discard_log", "dead_alert", "schema_version", "unique_hold",
        "jobs", "queue_stats", "task_stats", "worker_status", "dead_letters", "throughput_per_minute", "rescues",
        "job_step", "job_signal",
        "workflow", "workflow_node", "workflow_edge", "workflow_progress", "workflow_nodes",
        "limit_def", "bucket", "turn", "line_start", "permit", "parking", "limit_status", "upkeep_status",
        "schedule", "schedule_tick", "schedule_look", "schedules", "schedule_ticks",
        "operation", "operation_job", "operations",
        "pause", "queue", "queue_depth", "pauses", "queues", "job_log", "job_logs", "audit_log", "audit",
        "installed_object", "diagnosis", "finding_log", "worker_clock", "findings",
        "metric_minute", "metric_hour", "metric_day", "metric_total", "metric_all", "metric_depth", "metric_sample", "unkept_end",
        "roll_up_state", "depth", "depth_sample", "fresh_sample", "last_hour",
        "metrics_hourly", "metrics_daily", "idempotent_request",
        "pool", "agent", "pool_slot", "pool_event", "pool_sample",
        "pools", "pool_status", "pool_workers", "pool_agents", "pool_events",
    ),
    READERS,
) | {"api_key": NOBODY, "api_keys": ADMIN}  # fmt: skip
# The tokens of runs, which readers could end with them.
HIDDEN = {"job": "claim_token", "permit": "claim_token", "forced_cancel": "token", "job_log": "run"}
VIEWS = {
    "api_keys",
    "new_job",
    "job_kept",
    "ending_job",
    "jobs",
    "fresh_sample",
    "last_hour",
    "queue_stats",
    "task_stats",
    "worker_status",
    "dead_letters",
    "throughput_per_minute",
    "rescues",
    "workflow_progress",
    "workflow_nodes",
    "limit_status",
    "upkeep_status",
    "schedules",
    "schedule_ticks",
    "operations",
    "pauses",
    "queues",
    "job_logs",
    "audit",
    "findings",
    "pools",
    "pool_status",
    "pool_workers",
    "pool_agents",
    "pool_events",
    "metrics_hourly",
    "metrics_daily",
}
# What runs with the rights of the owner must not be told what to do by a string.
DYNAMIC_SQL = {
    "make_partition", "drop_partitions", "empty_partitions", "find_ids", "look_through", "count_jobs", "ids_with", "changed_jobs",
    "alike_nodes", "edges_above",
}  # fmt: skip
DYNAMIC_SQL |= {"dead_groups", "dead_stats", "crossed_dead_letters", "diagnose_plans", "take_from_others"}


def test_every_function_and_relation_is_listed(install: Install) -> None:
    functions = install.rows("select distinct proname from pg_proc where pronamespace = current_schema()::regnamespace")
    relations = install.rows(
        "select relname from pg_class where relnamespace = current_schema()::regnamespace "
        "and relkind in ('r', 'p', 'v', 'm', 'f') and not relispartition"
    )
    assert {name for (name,) in functions} == FUNCTIONS.keys()
    assert {name for (name,) in relations} == RELATIONS.keys()


@pytest.mark.parametrize("name", [*LOGINS, "stranger"])
def test_functions_are_granted_to_whom_they_are_for(install: Install, name: str) -> None:
    rows = install.rows(
        "select proname, has_function_privilege(%s, oid, 'execute') from pg_proc "
        "where pronamespace = current_schema()::regnamespace",
        install.login(name),
    )
    assert set(rows) == {(function, name in may.who) for function, may in FUNCTIONS.items()}


@pytest.mark.parametrize("name", [*LOGINS, "stranger"])
def test_functions_are_executed_by_whom_they_are_for(install: Install, name: str) -> None:
    """By calls that go through to the tables, on one connection: to open one for each took ten times as long as the calls."""
    with install.as_login(name) as connection:
        executed = {
            function: permitted(connection, f"select * from {install.schema}.{may.sample}")
            for function, may in FUNCTIONS.items()
            if may.sample
        }
    assert executed == {function: name in may.who for function, may in FUNCTIONS.items() if may.sample}


@pytest.mark.parametrize("name", [*LOGINS, "stranger"])
def test_a_relation_is_read_by_whom_it_is_for_and_written_by_nobody(install: Install, name: str) -> None:
    with install.as_login(None) as owner, install.as_login(name) as connection:
        for relation, readers in RELATIONS.items():
            reads, hidden = name in readers, HIDDEN.get(relation, "")
            column = last_column(owner, relation, hidden)
            assert may_read(connection, f"{install.schema}.{relation}", column) == (reads, reads and not hidden), relation
            # Some views refuse changes whoever asks, which the catalog below does not.
            assert not may_write(connection, f"{install.schema}.{relation}", column) or relation in VIEWS, relation
            assert granted(owner, install.login(name), relation) == ["select"] * (reads and not hidden), relation


def last_column(owner: psycopg.Connection[Any], relation: str, hidden: str) -> str:
    """A column that is not hidden. The last: an identity refuses changes whoever asks."""
    row = owner.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attname <> %s order by attnum desc limit 1",
        [relation, hidden],
    ).fetchone()
    assert row is not None
    return str(row[0])


def may_read(connection: psycopg.Connection[Any], target: str, column: str) -> tuple[bool, bool]:
    """Whether a column of a relation is read, and whether all of them are."""
    return (
        permitted(connection, f"select {column} from {target} limit 1"),
        permitted(connection, f"select * from {target} limit 1"),
    )


def may_write(connection: psycopg.Connection[Any], target: str, column: str) -> list[str]:
    """The changes of a relation that are let through."""
    changes = (
        f"insert into {target} ({column}) values (null)",
        f"update {target} set {column} = null",
        f"delete from {target}",
        f"truncate {target}",
    )
    return [change for change in changes if permitted(connection, change)]


def granted(owner: psycopg.Connection[Any], login: str, relation: str) -> list[str]:
    """The privileges of a login on a relation."""
    rows = owner.execute(
        "select p from unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) p "
        "where has_table_privilege(%s, %s, p)",
        [login, relation],
    )
    return [privilege for (privilege,) in rows]


@pytest.mark.parametrize("name", [*LOGINS, "stranger"])
def test_nobody_makes_anything(install: Install, name: str) -> None:
    with install.as_login(name) as connection:
        for statement in (
            f"create table {install.schema}.mine ()",
            f"create view {install.schema}.mine as select 1",
            f"create function {install.schema}.mine() returns int language sql as 'select 1'",
            f"alter table {install.schema}.job add mine int",
            f"drop table {install.schema}.job",
            f"select nextval('{install.schema}.job_id_seq')",
        ):
            assert not permitted(connection, statement)


def test_the_roles_log_in_nobody_and_are_nothing_special(install: Install) -> None:
    rows = install.rows(
        "select rolname, rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolbypassrls from pg_roles "
        "where rolname = any (%s)",
        [install.role(kind) for kind in LOGINS],
    )
    assert sorted(rows) == sorted((install.role(kind), False) for kind in LOGINS)


def test_what_runs_with_the_rights_of_the_owner_cannot_be_led_astray(install: Install) -> None:
    rows = install.rows(
        "select proname, prosrc, proconfig, has_function_privilege('public', oid, 'execute') from pg_proc "
        "where pronamespace = current_schema()::regnamespace and prosecdef"
    )
    assert {name for name, *_ in rows} == {name for name, may in FUNCTIONS.items() if may.who}
    for name, _, config, for_everybody in rows:
        (path,) = [setting for setting in config if setting.startswith("search_path=")]
        assert path == f'search_path="{install.schema}", pg_temp', name
        assert not for_everybody, name
    every = install.rows("select proname, prosrc from pg_proc where pronamespace = current_schema()::regnamespace")
    assert {name for name, source in every if re.search(r"\bexecute\b", source)} == DYNAMIC_SQL


def test_a_table_of_the_callers_own_does_not_stand_in_for_ours(install: Install) -> None:
    with install.as_login("producer") as connection:
        connection.execute("create temp table job (like pg_class)")
        connection.execute(
            "create function pg_temp.wake(text) returns void language plpgsql as 'begin raise exception ''mine''; end'"
        )
        row = connection.execute("set search_path to pg_temp; " + f"select {install.schema}.enqueue('noop')")
        row.nextset()
        assert install.rows("select state from job where id = %s", row.fetchone()[0]) == [("ready",)]  # type: ignore[index]
