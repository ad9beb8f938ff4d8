"""Rules of time limits: what may start, what ends, from when a run is measured."""

from .. import terms_guarantees as guarantees
from .. import test_trace
from .mutant import Mutant

MAY = r"and may_start\([^)]*\)"

MUTANTS = [
    Mutant("expired jobs are claimed", "claim", MAY, "", guarantees.an_expired_job_is_not_claimed),
    Mutant("expired suspects are claimed", "pick_suspect", MAY, "", guarantees.an_expired_job_is_not_claimed),
    Mutant("expired jobs of a limited queue are claimed", "claim_gated", MAY, "", guarantees.an_expired_job_is_not_claimed),
    Mutant("expired jobs with limits are claimed", "claim_lanes", MAY, "", guarantees.an_expired_job_is_not_claimed),
    Mutant("jobs past their deadline are claimed", "may_start", r"\s+and \(deadline_at is null.*?\)\)", "",
           guarantees.an_expired_job_is_not_claimed),
    Mutant("a retry that could expire is not claimed", "may_start", r" or attempt > 0", "",
           guarantees.a_job_that_has_started_does_not_expire),
    Mutant("expiring waits for jobs", "expire", r"for update skip locked", "for update", guarantees.expiring_waits_for_nobody),
    Mutant("expiring waits for workflows", "expire", r"for no key update of w skip locked", "for no key update of w",
           guarantees.expiring_waits_for_nobody),
    Mutant("what is locked hides others", "expire", r"for update skip locked", "", guarantees.what_is_locked_hides_no_other_job),
    Mutant("one job that cannot end stops the others", "expire", r"exception when others then null;[^\n]*", "",
           guarantees.a_job_that_cannot_end_stops_no_other, sqlstate="23514"),
    Mutant("an unknown task is put off beyond its time", "finish_unended", r",\s+-- In time for[^\n]*\n.*?/ 4\) end", "",
           guarantees.a_worker_without_the_task_leaves_time_to_another),
    Mutant("retries past the deadline", "finish_unended", r"when wanted_at >= deadline_at or asked then null",
           "when asked then null", guarantees.a_job_does_not_run_again_past_its_deadline),
    Mutant("nobody enforces timeouts", "rescue", r" \+ end_overdue\([^;]*", "",
           guarantees.a_run_past_its_timeout_is_taken_from_a_living_worker),
    Mutant("a timeout counts from the claim", "end_overdue",
           [(r"select terms,", "select claimed_at, terms,"),
            (r"r\.elapsed > j\.most", "extract(epoch from clock_timestamp() - j.claimed_at) > j.most")], "",
           guarantees.a_run_is_measured_from_its_start),
    Mutant("a timeout without the token", "end_overdue",
           [(r" and claim_token = r\.token", ""), (r"select r\.id, r\.token", "select r.id, j.claim_token as token"),
            (r"select terms,", "select claim_token, terms,")], "",
           guarantees.a_newer_run_is_not_mistaken_for_an_overdue_one),
    Mutant("a workflow takes the traces of its nodes away", "with_trace",
           r"jsonb_build_object\('trace', trace\) \|\| job else", "job || jsonb_build_object('trace', trace) else",
           test_trace.test_a_workflow_gives_its_trace_to_all_jobs_that_have_none_of_their_own),
    Mutant("a callback of a workflow has no trace", "enqueue_workflow", r"on_success := with_trace[^;]*;", "",
           test_trace.test_a_workflow_gives_its_trace_to_all_jobs_that_have_none_of_their_own),
    Mutant("a job that runs again loses its trace", "run_again", r"terms - '{soft_timed_out,attempts_before}'::text\[\]",
           "terms - '{soft_timed_out,attempts_before,trace}'::text[]",
           test_trace.test_a_job_that_has_succeeded_runs_again_as_a_job_with_its_trace),
]  # fmt: skip
