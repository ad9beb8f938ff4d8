"""Rules of explain: what it says would not happen without them."""

from .. import test_explain as explain
from .. import test_explain_turn as turn
from .. import test_unserved as vain
from .mutant import Mutant

AFTER = turn.test_the_jobs_before_it_are_those_that_claims_take_before_it
PLACES = turn.test_a_place_is_free_when_the_job_has_ended_that_is_said_to_hold_it

MUTANTS = [
    Mutant("pauses of tasks are overlooked", "pauses_on", r" or p\.kind = 'task' and p\.name = its\.task", "",
           explain.test_of_two_pauses_the_last_to_end_is_decisive),
    Mutant("the first pause to end is decisive", "pauses_on", r"desc nulls first", "",
           explain.test_of_two_pauses_the_last_to_end_is_decisive),
    Mutant("lost workers serve", "is_alive", r" and w\.heartbeat_at \+ w\.lease >= clock_timestamp\(\)", "",
           explain.test_a_job_that_nobody_serves_waits_for_a_worker_of_its_queue),
    Mutant("workers of other queues serve", "workers_for", r"count\(\*\) filter \(where its\.queue = any \(w\.queues\)\)",
           "count(*)", explain.test_a_job_that_nobody_serves_waits_for_a_worker_of_its_queue),
    Mutant("every worker knows every task", "knows_task", r"task = any \(tasks\)", "true",
           explain.test_a_task_that_no_worker_knows_is_named_with_those_that_they_know),
    Mutant("an older release is a newer one", "release_of", r"version < wanted", "version > wanted",
           explain.test_workers_that_know_another_version_of_a_task_are_of_another_release,
           ("charge@2", ("charge@1",), "know 'charge@1': an older release")),
    Mutant("jobs before it take no tokens", "tokens_on", r"need \+ before - tokens", "need - tokens",
           turn.test_tokens_come_when_it_says),
    Mutant("the limit of the queue is overlooked", "limits_of", r" \|\| \('queue:' \|\| its\.queue\)", "",
           turn.test_a_limit_of_the_queue_counts_for_jobs_without_limits),
    Mutant("places of lanes are not counted", "holders_of", r"else j\.lane_id = p\.lane_id", "else false", PLACES, ("k",)),
    Mutant("places of a queue are not counted", "holders_of", r"then j\.queue = substr\(its_key, 7\)", "then false", PLACES,
           ("queue:default",)),
    Mutant("what is kept for others is there", "tokens_on", r"kept := kept_at\(.*?\);", "null;",
           turn.test_tokens_that_are_kept_for_another_lane_are_not_there),
    Mutant("priorities do not count", "jobs_before", r"j\.priority > its\.priority", "false", AFTER, ({},)),
    Mutant("lanes have no order", "jobs_before", r"\(j\.run_at, j\.id\) < \(its\.run_at, its\.id\)", "false", AFTER,
           ({"limits": ["k"]},)),
    Mutant("parents that have ended are named", "parents_of", r" and ended_at is null", "",
           explain.test_a_blocked_job_waits_for_the_parents_that_are_named),
    Mutant("a snooze counts as a retry", "time_of", r"put_off_at\)\) < 1", "put_off_at)) < 1e9",
           explain.test_a_snooze_after_a_failure_is_no_retry),
    Mutant("dead letters are kept for ever", "why_over", r"coalesce\(q\.dead_days, s\.dead_days\)", "q.dead_days",
           explain.test_a_job_that_is_over_says_how_and_until_when_that_is_kept),
    Mutant("a line of parents is not followed", "held_up", r"its\.state <> 'blocked'", "true",
           explain.test_a_blocked_job_says_whom_it_waits_for_in_the_end_if_nobody_can_run_that),
    Mutant("the nearest queue is not told", "workers_for", r"near := nearest_name\(its\.queue, queues\);", "",
           vain.test_the_nearest_queue_that_is_served_is_suggested),
    Mutant("swapped letters are no slip", "nearest_name", r"or substr\(a, i \+ 1, 2\) = reverse", "or false and '' = reverse",
           vain.test_a_queue_that_nobody_has_heard_of_is_told_with_the_nearest, ("mial", "mail")),
    Mutant("short names have slips", "nearest_name", r">= 3", ">= 1",
           explain.test_the_nearest_name_has_the_same_last_part_or_many_pairs_in_common, ("x", None)),
    Mutant("jobs with limits wait in vain unseen", "unserved", r"where state = 'ready' and lane_id is not null", "where false",
           vain.test_jobs_with_limits_are_looked_at_too),
    Mutant("what is new waits in vain", "unserved", r"since <= clock_timestamp\(\) - after", "true",
           vain.test_what_has_not_waited_for_so_long_is_not_told),
    Mutant("each task of a queue is told", "unserved", r"case when is_served then task end", "task",
           vain.test_a_queue_that_no_worker_serves_is_told_once_for_all_of_its_tasks),
    Mutant("queues of schedules are unknown", "unknown_queues", r"s\.definition->'job'->>'queue' = a\.name", "false",
           vain.test_a_queue_that_is_known_for_anything_is_not_told, (vain.KNOWN[3],)),
    Mutant("queues with jobs are unknown", "unknown_queues", r"of_app \|\| l\.names\)", "of_app)",
           vain.test_a_queue_that_is_known_for_anything_is_not_told, (vain.KNOWN[0],)),
    Mutant("a job that is unknown stops the others", "explain_each", r"causes_of\(asked\.id\)", "explain(asked.id)",
           vain.test_the_decisive_cause_of_each_job_comes_in_one_call, (), "PQ003"),
]  # fmt: skip
