"""Each rule of the workflow verbs is taken out of the SQL once, and the test that rests on it must fail: it would notice.

Rules about races are in test_mutants.py."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg
import pytest

from . import test_cancel_requests as requests
from . import test_cancel_workflow as cancel
from . import test_cancelled_nodes as cancelled
from . import test_depends_on as depends
from . import test_depends_on_unique as unique
from . import test_enqueue_workflow as enqueue
from . import test_extend_workflow as extend
from . import test_finish_additions as finish
from . import test_parents as parents
from . import test_repair_workflows as repair
from . import test_result as result
from . import test_retry_order as order
from . import test_retry_workflow as retry
from . import test_workflow_callbacks as callbacks
from . import test_workflow_prune as prune
from .conftest import Sql

pytestmark = pytest.mark.one_postgres


class Mutant(NamedTuple):
    """One function with one rule taken out, the test that fails then, and what that is called with besides its connection."""

    what: str
    function: str
    rule: str  # a regular expression
    instead: str
    test: Callable[..., None]
    given: tuple[Any, ...] = ()


def refused(name: str) -> tuple[Any, ...]:
    """A bad submission."""
    return enqueue.REFUSED[name]


DROP = r"[^;]*;"
MUTANTS = [
    # settle
    Mutant("nobody is released", "settle", r"when c\.pending_parents = n then 'live'", "when false then 'live'",
           enqueue.test_a_node_waits_for_all_its_parents),
    Mutant("the first parent releases", "settle", r"when c\.pending_parents = n then 'live'", "when true then 'live'",
           enqueue.test_a_node_waits_for_all_its_parents),
    Mutant("released jobs keep their time", "settle", r"greatest\(j\.run_at, settled_at\)", "j.run_at",
           enqueue.test_a_released_child_is_due_since_its_release_so_that_no_cursor_has_passed_it),
    Mutant("released jobs forget their time", "settle", r"when j\.run_at > settled_at then 'scheduled' else",
           "when false then 'ready' else",
           enqueue.test_a_child_whose_time_has_not_come_is_scheduled_when_it_is_released),
    Mutant("a skip does not cascade", "settle", r"where not d\.runs\s*\)", "where false)",
           enqueue.test_a_failure_skips_everything_below_however_deep),
    Mutant("a failure satisfies", "settle", r"e\.run_if in \('finished', p\.state::text\)", "true",
           depends.test_the_end_of_an_adopted_parent_decides, ("succeeded", "dead")),
    Mutant("finished is succeeded", "settle", r"e\.run_if in \('finished', p\.state::text\)", "e.run_if = p.state::text",
           depends.test_the_end_of_an_adopted_parent_decides, ("finished", "cancelled")),
    Mutant("parents that are over decide nothing", "settle", r"from unnest\(admitted\)", "from unnest('{}'::bigint[])",
           depends.test_a_job_waits_for_a_parent_runs_or_is_skipped_by_how_the_parent_stands, ("succeeded", "succeeded",
           "enqueue")),
    Mutant("finished does not see skips", "settle", r"e\.run_if = 'finished'\s+from", "false from",
           enqueue.test_what_wants_any_end_of_its_parent_runs_though_that_was_skipped),
    Mutant("skipped for no reason", "skip_nodes", r"'dependency_failed'", "'other'",
           depends.test_a_job_waits_for_a_parent_runs_or_is_skipped_by_how_the_parent_stands, ("dead", "succeeded", "enqueue")),
    Mutant("skipped without an error", "skip_nodes", r"append_error\(j\.errors.*?else p\.state end\)\)\)", "j.errors",
           prune.test_a_node_outlives_its_workflow_in_the_history_and_can_still_be_asked_for),
    Mutant("a skipped job is forgotten", "skip_nodes", r"\(select to_jsonb\(j\).*?\)(?=\n)", "null",
           retry.test_a_skipped_job_without_options_is_back_as_it_was_too),
    Mutant("no callback", "settle", "perform enqueue_callback" + DROP, "",
           callbacks.test_on_success_is_a_plain_job_with_the_options_given_and_says_of_what),
    Mutant("a skip at once tells again", "settle", r" and ended <> '\{\}'", "",
           callbacks.test_what_is_skipped_at_once_below_a_workflow_that_is_over_tells_nobody_again, ("enqueue",)),
    Mutant("a callback twice", "settle", r"from unnest\(finished\)", "from unnest(finished || finished)",
           callbacks.test_nodes_that_end_in_one_batch_tell_once),
    Mutant("a callback after a cancel", "enqueue_callback", r"when 'failed'", "when 'cancelled'",
           callbacks.test_each_end_tells_the_one_it_is_for_and_a_cancelled_workflow_tells_nobody, ("cancel", [])),
    Mutant("a callback knows nothing", "enqueue_callback", r"'outcome', its\.outcome", "'x', 1",
           callbacks.test_on_success_is_a_plain_job_with_the_options_given_and_says_of_what),
    Mutant("a callback holds up the end", "enqueue_callback", r"exception when sqlstate 'PQ001'" + DROP, "",
           callbacks.test_a_callback_that_is_no_good_by_now_is_dropped_with_a_warning_and_holds_up_nothing),
    Mutant("a bad callback is taken", "check_callback", r"PQ999", "PQ000",
           callbacks.test_a_callback_that_could_not_be_enqueued_is_refused_at_submission, ("on_success",
           *callbacks.BAD["no task"])),
    Mutant("trying a callback enqueues it", "check_callback", r"    raise exception.*?null;", "",
           callbacks.test_trying_a_callback_at_submission_enqueues_nothing),
    Mutant("unique callbacks", "check_callback", r"callback \?\| '\{unique_mode", "callback ?| '{",
           callbacks.test_a_callback_that_could_not_be_enqueued_is_refused_at_submission, ("on_success",
           *callbacks.BAD["unique"])),
    # add_nodes and its parts
    Mutant("unique nodes are taken over", "insert_nodes_singly", r"if added\.duplicate then", "if false then",
           enqueue.test_a_unique_job_that_is_there_already_stands_in_the_way),
    Mutant("too many nodes", "grow_workflow", r"its\.nodes > most", "false",
           extend.test_more_nodes_than_the_setting_allows_are_refused),
    Mutant("cancelled workflows grow", "grow_workflow", r"its\.cancelled_at is not null", "false",
           extend.test_a_workflow_that_was_cancelled_takes_no_more_nodes, (False,)),
    Mutant("a name twice", "check_nodes", r"twice is not null", "false",
           enqueue.test_a_bad_submission_is_refused_by_name_and_writes_nothing, refused("names given twice")),
    Mutant("unknown options", "check_nodes", r"key <> all \(options\)", "false",
           enqueue.test_a_bad_submission_is_refused_by_name_and_writes_nothing, refused("unknown option")),
    Mutant("unknown keys of a parent", "check_nodes", r"key not in \('node', 'job', 'when'\)", "false",
           enqueue.test_a_bad_submission_is_refused_by_name_and_writes_nothing, refused("unknown key of a parent")),
    Mutant("takes is anything", "check_nodes", r"jsonb_typeof\(element->'takes'\) not in \('string', 'null'\)", "false",
           enqueue.test_a_bad_submission_is_refused_by_name_and_writes_nothing, refused("takes no text")),
    Mutant("fractions are rounded", "node_ref", r"ref::numeric <> trunc\(ref::numeric\)", "false",
           enqueue.test_a_bad_submission_is_refused_by_name_and_writes_nothing, refused("fraction")),
    Mutant("later elements are parents", "edges_of", r"ref::numeric < place", "ref::numeric <> place",
           enqueue.test_a_bad_submission_is_refused_by_name_and_writes_nothing, refused("later element")),
    Mutant("existing names are taken again", "edges_of", r"perform invalid\('name'.*?element->>'name' offset 0\) n;", "",
           extend.test_a_name_that_the_workflow_has_is_refused),
    Mutant("jobs of other workflows", "edges_of", r"n\.job_id = ref::bigint and n\.workflow_id = flow", "n.job_id = ref::bigint",
           enqueue.test_a_job_of_another_workflow_is_no_parent),
    Mutant("new parents stand among the old", "link_nodes", r"position \+ coalesce\(earlier\.last, 0\)", "position",
           extend.test_new_parents_stand_behind_those_that_were_there_in_the_order_given),
    Mutant("ended parents decide nothing", "link_nodes", r"perform settle" + DROP, "",
           extend.test_a_new_node_runs_waits_or_is_skipped_by_how_its_parent_stands, ("succeeded", "succeeded")),
    Mutant("cycles", "wait_longer", "perform invalid" + DROP, "null;",
           extend.test_a_cycle_through_nodes_that_are_there_is_refused, (["c"],)),
    Mutant("no cycle is told from a cycle", "wait_longer", r"\(b\.top, b\.id\) = \(e\.child_id, e\.parent_id\)",
           "b.id = e.parent_id",
           extend.test_nodes_can_be_put_into_several_places_of_a_chain_at_once),
    Mutant("ready nodes wait for more", "wait_longer", r"state <> 'blocked'", "false",
           extend.test_only_nodes_that_still_wait_can_wait_for_more, ("ready",)),
    # depend
    Mutant("parents of two workflows", "adopt", r"\) > 1 then", ") > 9 then",
           depends.test_parents_of_two_workflows_are_refused_naming_both, ("enqueue",)),
    Mutant("unknown parents", "adopt", r"if lost is null then", "if true then",
           depends.test_an_unknown_parent_is_refused_by_name, ("enqueue", True)),
    Mutant("its own parent", "depend", r"exists \(select unnest\(parents\) intersect select unnest\(job_ids\)\)", "false",
           depends.test_a_job_cannot_guess_its_own_id_and_wait_for_itself),
    Mutant("parents by id", "depend", r"order by min\(place\)", "order by id",
           parents.test_parents_that_were_adopted_come_in_the_order_given),
    Mutant("blocked jobs replace", "insert_job", r"blocked and unique_mode = 'replace'", "false",
           unique.test_a_job_that_waits_for_others_cannot_replace_one, ("enqueue",)),
    Mutant("blocked jobs are replaced", "insert_unique", r"state in \('scheduled', 'ready'\)", "state <> 'running'",
           unique.test_a_job_that_waits_for_others_is_not_replaced_and_its_duplicate_is_dropped),
    Mutant("duplicates get parents", "enqueue", r"if not added\.duplicate then", "if true then",
           unique.test_a_duplicate_gets_no_parents_and_the_parents_stay_plain, ("until_done",)),
    # cancel
    Mutant("a cancelled node has not ended", "cancel", r"elsif flow > 0 then", "elsif false then",
           cancel.test_a_node_that_is_cancelled_by_itself_has_ended_for_what_waits_for_it, ("finished", "ready")),
    Mutant("a cancel is forgotten", "cancel_workflow", r"coalesce\(w\.cancelled_at, clock_timestamp\(\)\)", "null",
           cancelled.test_a_running_node_that_comes_back_is_cancelled, ("give_back",)),
    Mutant("what is given back stays", "give_back", "perform cancel_again" + DROP, "null;",
           cancelled.test_a_running_node_that_comes_back_is_cancelled, ("retire",)),
    Mutant("what is promoted stays", "promote", "perform cancel_again" + DROP, "null;",
           cancelled.test_a_running_node_that_comes_back_is_cancelled, ("promote",)),
    Mutant("what is rescued stays", "rescue_job", "perform cancel_nodes" + DROP, "null;",
           cancelled.test_a_running_node_that_comes_back_is_cancelled, ("rescue",)),
    Mutant("what crashed is dead", "rescue_job", "crashed := not cancelled and", "crashed :=",
           cancelled.test_a_running_node_that_comes_back_is_cancelled, ("crash",)),
    Mutant("what snoozes is dead", "finish_unended", "state <> 'failed' and stops as", "false as",
           cancelled.test_a_running_node_that_comes_back_is_cancelled, ("snooze",)),
    Mutant("nodes of other workflows are cancelled", "is_cancelled", r"\(cancelled_at is not null [^)]*\)\)", "true",
           cancelled.test_a_running_node_of_another_workflow_and_a_plain_job_come_back, ("snooze",)),
    Mutant("what a cancel leaves behind stays", "mend_workflows", r"perform cancel_workflow" + DROP, "",
           cancelled.test_what_a_cancel_has_left_behind_is_cancelled_by_maintain),
    Mutant("failures of a cancelled workflow run again", "is_cancelled", r"cancelled_at is not null", "false",
           cancel.test_a_running_node_that_fails_then_does_not_run_again),
    Mutant("a cancelled workflow is added to", "finish_nodes", r" and not is_cancelled\(n\.workflow_id, n\.job_id\)", "",
           cancel.test_additions_of_a_running_node_of_a_cancelled_workflow_are_dropped, ([{"no": "task"}],)),
    Mutant("jobs of any worker are stopped", "cancel_requests", r" and j\.worker_id = cancel_requests\.worker", "",
           requests.test_the_running_nodes_of_a_cancelled_workflow_are_asked_of_their_own_worker),
    Mutant("jobs of any workflow are stopped", "cancel_requests",
           r"\(cancelled_at is not null [^)]*\) and |\(w\.cancelled_at[^)]*\)\) and ", "",
           requests.test_plain_jobs_and_other_workflows_of_the_worker_run_on),
    # retry
    Mutant("a retry revives nothing", "retry", "perform revive" + DROP, "null;",
           retry.test_a_dead_letter_runs_again_and_what_was_skipped_below_it_waits_again, (True,)),
    Mutant("what is revived does not see who has ended", "revive", "perform settle" + DROP, "",
           retry.test_what_is_skipped_for_a_cancelled_parent_stays_skipped),
    Mutant("a retried child does not wait for its parent", "revive", r"live \|\| waiting_nodes\(dead\)", "live",
           order.test_in_a_chain_of_dead_nodes_each_waits_for_the_one_above_it, (("a", "b", "c"),)),
    Mutant("a released child does not wait again", "revive", r"live \|\| waiting_nodes", "waiting_nodes",
           order.test_a_retried_child_waits_for_its_retried_parent, (("after", "work"), "finished")),
    Mutant("a child that runs waits", "block_unstarted", r" and state in \('scheduled', 'ready'\)", "",
           order.test_a_child_that_runs_goes_on_and_is_told_that_its_parent_is_open),
    Mutant("an open parent has a state of ours", "parents", r"case when p\.ended_at .*? end", "p.state::text",
           order.test_a_child_that_runs_goes_on_and_is_told_that_its_parent_is_open),
    Mutant("what still waits is not counted anew", "revive", r"state in \('blocked', 'skipped', 'live'\)",
           "state in ('skipped', 'live')",
           retry.test_what_has_run_because_of_the_failure_stays_and_what_still_waits_is_counted_anew),
    Mutant("who was not asked to stop before a retry runs on", "revive", r"\|\| array\([^)]*\)", "",
           requests.test_what_ran_when_a_workflow_was_cancelled_is_asked_to_stop_though_that_is_retried_meanwhile),
    Mutant("who comes back after a retry stays", "is_cancelled", r" or job_id = any \(stopping\)", "",
           cancelled.test_it_is_cancelled_too_when_the_workflow_was_retried_meanwhile, ("give_back",)),
    Mutant("a retried workflow stays cancelled", "revive", r", cancelled_at = null", "",
           requests.test_what_ran_when_a_workflow_was_cancelled_is_asked_to_stop_though_that_is_retried_meanwhile),
    Mutant("revived jobs stay in the history", "restore_skipped", "delete from job_history" + DROP, "",
           retry.test_failing_and_retrying_again_and_again_leaves_the_skipped_job_as_it_was),
    Mutant("a key is taken and nobody says so", "restore_skipped", r"taken is not null", "false",
           retry.test_a_job_below_whose_key_another_one_has_refuses_the_retry, (retry.RETRY,)),
    Mutant("a pruned workflow is kept in mind", "revive", r"update job set workflow_id = null" + DROP, "",
           retry.test_a_dead_letter_whose_workflow_is_not_kept_any_more_runs_again_as_a_plain_job),
    Mutant("purged letters stop a retry", "retry_workflow", r"select d\.id from dead_letter d.*?for update",
           "select n.job_id from workflow_node n where n.workflow_id = workflow_id and n.state = 'failed'",
           retry.test_a_dead_letter_that_was_purged_holds_up_no_other),
    Mutant("skipped nodes run", "refuse_orphan", r"reason = 'dependency_failed'", "false",
           retry.test_a_skipped_node_does_not_run_though_its_parent_has_failed),
    Mutant("nodes run without what they take", "refuse_orphan", r"n\.takes is not null", "false",
           retry.test_a_node_that_is_over_does_not_run_again_without_the_results_that_it_takes, ("succeeded",)),
    # finish
    Mutant("whatever the outcome, it adds", "finish_nodes", r"ended\.state = 'succeeded' and ", "",
           finish.test_what_a_job_adds_that_has_not_succeeded_is_dropped, ({"state": "failed", "final": True},)),
    Mutant("anybody adds", "finish_nodes", r"join unnest\(nodes, states\).*?ended\.state = 'succeeded' and ", "where ",
           finish.test_what_a_job_adds_in_the_name_of_another_is_dropped),
    Mutant("nobody adds", "finish_nodes", "perform link_added" + DROP, "",
           finish.test_the_last_node_that_adds_some_does_not_finish_its_workflow),
    # what is read and kept
    Mutant("parents in any order", "parents", r"order by u\.id, e\.position", "order by u.id, e.parent_id",
           parents.test_results_come_in_the_order_in_which_the_child_names_its_parents),
    Mutant("every null has expired", "parents", r"p\.returned and ", "",
           parents.test_a_result_that_was_deleted_has_expired_and_a_null_has_not),
    Mutant("nobody has returned anything", "end_nodes", r"u\.state = 'succeeded' and exists \([^)]*\)", "false",
           parents.test_a_result_that_was_deleted_has_expired_and_a_null_has_not),
    Mutant("what plain parents returned is forgotten", "adopt_into", r"or exists \(.*?\)", "",
           parents.test_a_result_of_a_plain_parent_that_is_deleted_later_has_expired),
    Mutant("results of plain parents never expire", "adopt_into", r"kept_until <= clock_timestamp\(\)", "false",
           parents.test_a_plain_parent_that_is_over_has_what_is_kept_of_it, ("0 s", True, 1)),
    Mutant("only its own parents are to blame", "dead_parents", r"where a\.state = 'skipped' and",
           "where a.id = dead_parents.job_id and",
           result.test_a_skipped_job_names_the_job_whose_fault_it_is_however_far_above),
    Mutant("results of open workflows go", "prune", r"w\.finished_at is null or", "false or",
           prune.test_a_result_of_a_node_is_kept_while_its_workflow_is_open_and_goes_afterwards),
    Mutant("results of failed workflows go", "prune", r" or w\.outcome = 'failed'", "",
           retry.test_results_that_a_retried_node_needs_are_kept_beyond_their_time),
    Mutant("workflows with dead letters go", "prune_workflows", r"join dead_letter d on d\.id = n\.job_id",
           "join dead_letter d on false",
           prune.test_a_workflow_with_a_dead_letter_is_kept_until_that_is_gone, ("retried",)),
    Mutant("workflows stay", "prune", r"prune_workflows\([^)]*\) or", "",
           prune.test_a_cancelled_workflow_goes_like_any_other),
    # repair
    Mutant("one workflow stops all repairs", "repair_workflows", r"exception when others then\s+raise warning" + DROP, "",
           repair.test_a_workflow_that_cannot_be_repaired_holds_up_neither_the_others_nor_maintain),
    Mutant("wrong counts release", "repair_workflow", r"perform wait_for_all" + DROP, "",
           repair.test_a_count_that_was_too_small_releases_nobody_while_another_parent_is_mended),
    Mutant("an empty workflow stays", "repair_workflow", "delete from workflow w" + DROP, "",
           repair.test_a_workflow_that_has_lost_all_its_nodes_is_removed),
    Mutant("repairs are silent", "mend_workflows", r"if mended > 0", "if false", repair.test_maintain_repairs_and_warns),
    Mutant("repairs are not counted", "repair_workflow", r"w\.repairs \+ 1", "w.repairs", repair.test_maintain_repairs_and_warns),
]  # fmt: skip


def load(sql: Sql, mutant: Mutant) -> None:
    """Replace the function for this transaction."""
    text = sql.value("select pg_get_functiondef(%s::regproc)", mutant.function)
    mutated = re.sub(mutant.rule, lambda _: mutant.instead, text, flags=re.S)
    assert mutated != text, f"{mutant.function} has no such rule any more: {mutant.rule}"
    sql.connection.execute(mutated)


def run(sql: Sql, mutant: Mutant) -> None:
    """The test, and what is asserted at the end of each."""
    mutant.test(sql, *mutant.given)
    sql.nothing_drifts()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_without_a_rule_its_test_is_seen_to_fail(lasting_sql: Sql, mutant: Mutant) -> None:
    with lasting_sql.connection.transaction(force_rollback=True):
        load(lasting_sql, mutant)
        with pytest.raises((AssertionError, ValueError, psycopg.Error, pytest.fail.Exception)) as caught:
            run(lasting_sql, mutant)
    assert (getattr(caught.value, "sqlstate", None) or "")[:2] != "42", "the mutant is no valid SQL"
