"""Rules of workflows: what settles nodes, adds them and makes them wait."""

from typing import Any

from .. import test_depends_on as depends
from .. import test_depends_on_unique as unique
from .. import test_enqueue_workflow as enqueue
from .. import test_extend_workflow as extend
from .. import test_parents as parents
from .. import test_retry_workflow as retry
from .. import test_workflow_callbacks as callbacks
from .. import test_workflow_prune as prune
from .mutant import DROP, Mutant

RECURSIVE = "(with recursive.*?)"


def refused(name: str) -> tuple[Any, ...]:
    """A bad submission."""
    return enqueue.REFUSED[name]


MUTANTS = [
    # settle
    Mutant("nobody is released", "settle", r"when c\.pending_parents = n then 'live'", "when false then 'live'",
           enqueue.test_a_node_waits_for_all_its_parents, sqlstate="23514"),
    Mutant("the first parent releases", "settle", r"when c\.pending_parents = n then 'live'", "when true then 'live'",
           enqueue.test_a_node_waits_for_all_its_parents, sqlstate="23514"),
    Mutant("released jobs keep their time", "settle", r"greatest\(j\.run_at, settled_at\)", "j.run_at",
           enqueue.test_a_released_child_is_due_since_its_release_so_that_no_cursor_has_passed_it),
    Mutant("released jobs forget their time", "settle", r"when j\.run_at > settled_at then 'scheduled' else",
           "when false then 'ready' else",
           enqueue.test_a_child_whose_time_has_not_come_is_scheduled_when_it_is_released),
    Mutant("a skip does not cascade", "settle", r"where not d\.runs\s*\)", "where false)",
           enqueue.test_a_failure_skips_everything_below_however_deep),
    Mutant("a child that is barred decides nothing", "settle", r" or not all_run then", " then",
           enqueue.test_a_failure_skips_everything_below_however_deep),
    # each of its two ways by itself
    Mutant("without a recursion children count down once", "settle", r"^(.*?)count\(\*\)::int as n, min", r"\1 1 as n, min",
           enqueue.test_parents_that_end_in_one_batch_release_their_child_once),
    Mutant("without a recursion a failure satisfies", "settle", r"^(.*?)e\.run_if in \('finished', p\.state::text\)", r"\1 true",
           enqueue.test_each_child_of_a_batch_is_decided_by_its_own_parents, ("failed",)),
    Mutant("with a recursion children count down once", "settle", RECURSIVE + r"count\(\*\)::int as n, min", r"\1 1 as n, min",
           enqueue.test_each_child_of_a_batch_is_decided_by_its_own_parents, ("failed",)),
    Mutant("with a recursion a failure satisfies", "settle", RECURSIVE + r"e\.run_if in \('finished', p\.state::text\)",
           r"\1 true", enqueue.test_each_child_of_a_batch_is_decided_by_its_own_parents, ("failed",)),
    Mutant("with a recursion finished is succeeded", "settle", RECURSIVE + r"e\.run_if in \('finished', p\.state::text\)",
           r"\1 e.run_if = p.state::text", enqueue.test_each_child_of_a_batch_is_decided_by_its_own_parents, ("failed",)),
    Mutant("nodes that are new take the way without a recursion", "settle", r"admitted <> '\{\}' or not all_run", "not all_run",
           depends.test_a_job_waits_for_a_parent_runs_or_is_skipped_by_how_the_parent_stands, ("succeeded", "succeeded",
           "enqueue")),
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
           retry.test_a_skipped_job_without_options_is_back_as_it_was_too, sqlstate="23502"),
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
    Mutant("a callback holds up the end", "enqueue_callback", r"when others then" + DROP, "when sqlstate '57014' then",
           callbacks.test_a_callback_that_is_no_good_by_now_is_dropped_with_a_warning_and_holds_up_nothing, sqlstate="PQ001"),
    Mutant("a bad callback is taken", "checked_callback", r"PQ999", "PQ000",
           callbacks.test_a_callback_that_could_not_be_enqueued_is_refused_at_submission, ("on_success",
           *callbacks.BAD["no task"])),
    Mutant("trying a callback enqueues it", "checked_callback", r"    raise exception.*?null;", "",
           callbacks.test_trying_a_callback_at_submission_enqueues_nothing),
    Mutant("unique callbacks", "checked_callback", r"callback \?\| '\{unique_mode", "callback ?| '{",
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
    Mutant("no node has parents", "link_nodes", r"waiting\.n is not null, maker", "false, maker",
           enqueue.test_what_a_worker_must_know_of_a_node_comes_with_the_claim),
    Mutant("ended parents decide nothing", "link_nodes", r"perform settle" + DROP, "",
           extend.test_a_new_node_runs_waits_or_is_skipped_by_how_its_parent_stands, ("succeeded", "succeeded")),
    Mutant("cycles", "wait_longer", "perform invalid" + DROP, "null;",
           extend.test_a_cycle_through_nodes_that_are_there_is_refused, (["c"],)),
    Mutant("no cycle is told from a cycle", "wait_longer", r"\(b\.top, b\.id\) = \(e\.child_id, e\.parent_id\)",
           "b.id = e.parent_id",
           extend.test_nodes_can_be_put_into_several_places_of_a_chain_at_once, sqlstate="PQ001"),
    Mutant("ready nodes wait for more", "wait_longer", r"state <> 'blocked'", "false",
           extend.test_only_nodes_that_still_wait_can_wait_for_more, ("ready",)),
    # depend
    Mutant("parents of two workflows", "adopt", r"\) > 1 then", ") > 9 then",
           depends.test_parents_of_two_workflows_are_refused_naming_both, ("enqueue",)),
    Mutant("unknown parents", "adopt", r"if lost is null then", "if true then",
           depends.test_an_unknown_parent_is_refused_by_name, ("enqueue", True)),
    Mutant("its own parent", "depend", r"exists \(select unnest\(parents\) intersect select unnest\(job_ids\)\)", "false",
           depends.test_a_job_cannot_guess_its_own_id_and_wait_for_itself),
    Mutant("a child has no parents", "depend", r"task, true, maker", "task, false, maker",
           depends.test_a_worker_is_told_that_a_child_has_parents_and_an_adopted_job_none, ("enqueue",)),
    Mutant("parents by id", "depend", r"order by min\(place\)", "order by id",
           parents.test_parents_that_were_adopted_come_in_the_order_given),
    Mutant("blocked jobs replace", "insert_job", r"blocked and unique_mode = 'replace'", "false",
           unique.test_a_job_that_waits_for_others_cannot_replace_one, ("enqueue",)),
    Mutant("blocked jobs are replaced", "insert_unique", r"state in \('scheduled', 'ready'\)", "state <> 'running'",
           unique.test_a_job_that_waits_for_others_is_not_replaced_and_its_duplicate_is_dropped),
    Mutant("duplicates get parents", "enqueue", r"if not added\.duplicate then", "if true then",
           unique.test_a_duplicate_gets_no_parents_and_the_parents_stay_plain, ("until_done",)),
]  # fmt: skip
