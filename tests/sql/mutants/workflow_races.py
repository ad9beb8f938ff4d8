"""Rules of workflows about what happens at once."""

from functools import partial

from .. import test_workflow_key_races as key_races
from .. import test_workflow_row_races as row_races
from .. import workflow_guarantees
from .mutant import SKIP, Mutant

TOKEN = r"\s+and j\.claim_token = o\.token(?=\s+for update)"

MUTANTS = [
    Mutant("nobody locks the workflow", "lock_workflows,settle", r"for no key update", "",
           workflow_guarantees.fan_in_releases_once),
    Mutant("nobody locks the workflow of cascades", "lock_workflows,settle", r"for no key update", "",
           workflow_guarantees.cascades_cross),
    Mutant("children count down once a batch", "settle", r"count\(\*\)::int as n, min", "1 as n, min",
           workflow_guarantees.three_parents_in_one_batch_count_thrice),
    Mutant("late edges of new nodes are forgotten", "link_nodes", r"perform settle\([^\n]*;", "",
           workflow_guarantees.a_late_child_of_a_parent_that_has_ended_is_settled),
    Mutant("late edges of depends_on are forgotten", "depend", r"perform settle\([^\n]*?;", "",
           workflow_guarantees.a_late_child_of_a_parent_that_has_ended_is_settled),
    Mutant("a retry counts nothing anew", "revive", r"pending_parents = \(select count[^\n]*?\)(?=\n)",
           "pending_parents = greatest(n.pending_parents, 1)", workflow_guarantees.retry_counts_anew),
    Mutant("a retry counts those that have ended", "revive", r"perform settle\([^\n]*?;", "",
           workflow_guarantees.retry_counts_anew),
    Mutant("skips do not cascade", "settle", r"where not d\.runs", "where false", workflow_guarantees.skips_cascade),
    Mutant("new nodes lock the workflow and change nothing", "grow_workflow", r"update workflow [^;]*? into its;",
           "select * into its from workflow where id = flow for no key update;", workflow_guarantees.late_edges_at_every_level),
    Mutant("no token when a node ends", "finish_ended", TOKEN, "", workflow_guarantees.a_stale_owner_cannot_end_a_node),
    Mutant("no token in a plain batch of nodes", "finish_at_once", r" and j\.claim_token = o\.token", "",
           workflow_guarantees.a_stale_owner_cannot_end_a_node),
    Mutant("no token when a node fails", "finish_unended", TOKEN, "", workflow_guarantees.a_stale_owner_cannot_end_a_node),
    Mutant("finish waits for a workflow", "finish", r"SET lock_timeout TO '100ms'", "",
           workflow_guarantees.a_held_workflow_stalls_only_itself),
    Mutant("a change takes no workflow", "update_job", r"perform lock_workflows\([^\n]*?;", "",
           row_races.test_a_job_changed_while_it_is_skipped_is_the_same_in_the_history_and_when_it_comes_back),
    Mutant("what was added too late stays", "link_added", r"delete from job where[^\n]*?;", "",
           partial(key_races.test_what_is_added_while_the_workflow_is_cancelled_is_taken_back, mode={})),
    Mutant("keys of what was added too late stay", "link_added", r"delete from unique_hold[^\n]*?;", "",
           partial(key_races.test_what_is_added_while_the_workflow_is_cancelled_is_taken_back, mode=key_races.PERIOD)),
    Mutant("cancelling a workflow waits for its jobs", "end_workflow", SKIP, "",
           workflow_guarantees.cancelling_leaves_a_held_job_alone),
]  # fmt: skip
