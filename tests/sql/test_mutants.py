"""Each rule is taken out of the SQL once, and the guarantee that rests on it must break: the tests would notice."""

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest

from . import guarantees, time_guarantees, workflow_guarantees
from . import test_workflow_key_races as key_races
from . import test_workflow_row_races as row_races
from .conftest import Sql

pytestmark = pytest.mark.one_postgres


class Mutant(NamedTuple):
    """One rule taken out of a function, or of several, with commas between them."""

    what: str
    function: str
    rule: str  # a regular expression
    instead: str
    broken: Callable[[Sql, Callable[[], Sql]], None]


TOKEN = r"\s+and j\.claim_token = o\.token(?=\s+for update)"
SKIP = r"\s+skip locked"
JOBS = "enqueue_many(jsonb)"

MUTANTS = [
    Mutant("no token when a job ends", "finish_ended", TOKEN, "", guarantees.stale_owner_cannot_finish),
    Mutant("no token when a job fails", "finish_unended", TOKEN, "", guarantees.stale_owner_cannot_finish),
    Mutant("no token in give_back", "give_back", r"\s+and j\.claim_token = token", "", guarantees.stale_owner_cannot_give_back),
    Mutant("ending jobs wait for locks", "finish_ended", SKIP, "", guarantees.one_locked_job_stalls_only_itself),
    Mutant("failing jobs wait for locks", "finish_unended", SKIP, "", guarantees.one_locked_job_stalls_only_itself_when_all_fail),
    Mutant("claims wait for claims", "claim", SKIP, "", guarantees.two_claimers_share_the_jobs),
    Mutant("claims take no locks", "claim", r"for no key update skip locked", "", guarantees.two_claimers_share_the_jobs),
    Mutant("cursor claims wait", "claim", SKIP, "", guarantees.two_claimers_share_the_jobs_of_a_cursor),
    Mutant("claims of suspects wait", "pick_suspect", SKIP, "", guarantees.two_claimers_share_the_suspects),
    Mutant("several suspects at once", "pick_suspect", r"limit 1", "", guarantees.two_claimers_share_the_suspects),
    Mutant("a suspect beside a suspect", "pick_suspect", r" or runs_one", "", guarantees.two_claimers_share_the_suspects),
    Mutant("small priorities first", "claim", r"priority desc", "priority", guarantees.jobs_start_by_priority),
    Mutant("lost workers claim", "assert_active", r" and w\.state = 'active'", "", guarantees.a_lost_worker_claims_nothing),
    Mutant("promotes wait for promotes", "promote", SKIP, "", guarantees.two_promoters_share_the_jobs),
    Mutant("promote is early", "promote", r" and run_at <= \(select clock_timestamp\(\)\)", "", guarantees.a_promoted_job_is_due),
    Mutant("rescues wait for rescues", "rescue_job", SKIP, "", guarantees.two_rescuers_rescue_once),
    Mutant("one job stops a rescue", "rescue", r"when others then raise warning[^;]*;", "",
           guarantees.a_rescue_that_raises_stays_alone),
    Mutant("a claim keeps the key of until_started", "claim", r"case when j\.unique_mode in .* end(?=\n)", "j.unique_key",
           guarantees.a_claim_frees_the_key),
    Mutant("a claim frees every key", "claim", r"case when j\.unique_mode in .* end(?=\n)", "null",
           guarantees.a_running_job_keeps_its_key),
    Mutant("replace ignores the state", "insert_unique", r" and state in \('scheduled', 'ready'\)", "",
           guarantees.replace_leaves_a_running_job_alone),
    Mutant("a duplicate raises", "insert_unique", r"on conflict .* do nothing", "", guarantees.a_duplicate_never_raises),
    Mutant("a retried duplicate raises", "run_again", r"on conflict .* do nothing", "", guarantees.a_duplicate_never_raises),
    Mutant("keys of jobs in any order", JOBS, r"order by digest nulls first, .*", "order by place",
           guarantees.enqueue_many_takes_keys_in_order),
    Mutant("keys of jobs without arguments in any order", JOBS, r"coalesce\(args, '{}'\)(?=, unique_key)", "args",
           guarantees.enqueue_many_takes_keys_of_jobs_without_arguments_in_order),
    Mutant("keys of rows in any order", "enqueue_select", r"order by unique_digest\(.*?\)(?=\))", "",
           guarantees.enqueue_select_takes_keys_in_order),
    Mutant("any delay is stored", "delay_of", r"perform invalid\('delay'.*", "null;",
           time_guarantees.a_delay_beyond_the_calendar_is_refused),
    Mutant("linear waits leave the calendar", "retry_delay", r"least\(wait, cap, 1e9\)", "least(wait, cap)",
           time_guarantees.a_linear_wait_ends_within_the_calendar),
    Mutant("results are kept for ever", "check_enqueue", r"result_ttl not between interval '0' and interval '1000 years'",
           "result_ttl < interval '0'", time_guarantees.a_result_is_not_kept_beyond_the_calendar),
    Mutant("pruning waits", "prune", SKIP, "", guarantees.pruning_leaves_a_key_that_is_taken_again),
    Mutant("pruning takes no locks", "prune", r"for update skip locked", "", guarantees.pruning_leaves_a_key_that_is_taken_again),
    Mutant("nobody locks the workflow", "lock_workflows,settle", r"for no key update", "",
           workflow_guarantees.fan_in_releases_once),
    Mutant("nobody locks the workflow of cascades", "lock_workflows,settle", r"for no key update", "",
           workflow_guarantees.cascades_cross),
    Mutant("children count down once a batch", "settle", r"count\(\*\)::int as n, min", "1 as n, min",
           workflow_guarantees.three_parents_in_one_batch_count_thrice),
    Mutant("late edges of new nodes are forgotten", "link_nodes", r"perform settle\(.*;", "",
           workflow_guarantees.a_late_child_of_a_parent_that_has_ended_is_settled),
    Mutant("late edges of depends_on are forgotten", "depend", r"perform settle\(.*?;", "",
           workflow_guarantees.a_late_child_of_a_parent_that_has_ended_is_settled),
    Mutant("a retry counts nothing anew", "revive", r"pending_parents = \(select count.*?\)(?=\n)",
           "pending_parents = greatest(n.pending_parents, 1)", workflow_guarantees.retry_counts_anew),
    Mutant("a retry counts those that have ended", "revive", r"perform settle\(.*?;", "", workflow_guarantees.retry_counts_anew),
    Mutant("skips do not cascade", "settle", r"where not d\.runs", "where false", workflow_guarantees.skips_cascade),
    Mutant("new nodes lock the workflow and change nothing", "grow_workflow", r"update workflow .*? into its;",
           "select * into its from workflow where id = flow for no key update;", workflow_guarantees.late_edges_at_every_level),
    Mutant("no token when a node ends", "finish_ended", TOKEN, "", workflow_guarantees.a_stale_owner_cannot_end_a_node),
    Mutant("no token when a node fails", "finish_unended", TOKEN, "", workflow_guarantees.a_stale_owner_cannot_end_a_node),
    Mutant("finish waits for a workflow", "finish", r"SET lock_timeout TO '100ms'", "",
           workflow_guarantees.a_held_workflow_stalls_only_itself),
    Mutant("a change takes no workflow", "update", r"perform lock_workflows\(.*?;", "",
           row_races.test_a_job_changed_while_it_is_skipped_is_the_same_in_the_history_and_when_it_comes_back),
    Mutant("what was added too late stays", "link_added", r"delete from job where.*?;", "",
           partial(key_races.test_what_is_added_while_the_workflow_is_cancelled_is_taken_back, mode={})),
    Mutant("keys of what was added too late stay", "link_added", r"delete from unique_hold.*?;", "",
           partial(key_races.test_what_is_added_while_the_workflow_is_cancelled_is_taken_back, mode=key_races.PERIOD)),
    Mutant("cancelling a workflow waits for its jobs", "cancel_workflow", SKIP, "",
           workflow_guarantees.cancelling_leaves_a_held_job_alone),
]  # fmt: skip


def load(sql: Sql, mutant: Mutant) -> None:
    """Replace the function in the test's own database."""
    kind = "regprocedure" if "(" in mutant.function else "regproc"
    for function in mutant.function.split(","):
        text = sql.value(f"select pg_get_functiondef(%s::{kind})", function)
        mutated = re.sub(mutant.rule, mutant.instead, text)
        assert mutated != text, f"{function} has no such rule any more: {mutant.rule}"
        sql.connection.execute(mutated)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_without_a_rule_its_guarantee_is_seen_to_break(
    sql: Sql, another_sql: Callable[[], Sql], monkeypatch: pytest.MonkeyPatch, mutant: Mutant
) -> None:
    monkeypatch.setattr(guarantees, "PATIENCE", "500ms")
    load(sql, mutant)

    with pytest.raises(AssertionError):
        mutant.broken(sql, another_sql)
    sql.rows("delete from workflow")  # what a mutant has done to one is no drift of ours
