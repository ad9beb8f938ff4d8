"""Rules of explain: what it says would not happen without them."""

from .. import test_explain as explain
from .. import test_explain_turn as turn
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
]  # fmt: skip
