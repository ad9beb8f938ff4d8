"""Rules of killed processes, and of tasks that a worker leaves to others."""

from .. import test_bury_worker as bury
from .. import test_diagnose as diagnose
from .. import test_lacks_worker as lacks
from .. import test_leave_out as leave
from .mutant import Mutant

TWICE = bury.test_a_job_that_kills_its_process_twice_is_dead_whatever_retries_are_left

MUTANTS = [
    # bury_worker
    Mutant("a killed process keeps its jobs until the lease ends", "bury_worker", r"state = 'lost', ", "",
           bury.test_a_buried_worker_is_lost_and_its_token_ends_nothing),
    Mutant("nobody says why", "rescue_job", r"coalesce\(because, ('[^']*')\)", r"\1",
           bury.test_the_jobs_of_a_killed_process_run_again_at_once_and_their_errors_say_why),
    Mutant("a poison job comes back for ever", "rescue_job", r"kills >= 2 or ", "", TWICE, ("crashed",)),
    Mutant("memory is a crash", "rescue_job", r"coalesce\(reason, 'crashed'\)", "'crashed'", TWICE, ("memory",)),
    Mutant("neighbours are blamed", "bury_worker", r" and cardinality\(held\) = 1", "",
           bury.test_jobs_that_ran_beside_each_other_are_suspects_as_ever),
    Mutant("a job claimed just before is no neighbour", "bury_worker", r" or j\.claimed_at > [^)]*\)", ")",
           bury.test_a_job_that_was_claimed_just_before_may_have_been_the_one),
    Mutant("a stop is blamed on its job", "bury_worker", r"reason <> 'worker_shutdown'", "true",
           bury.test_no_job_is_blamed_for_a_process_that_was_told_to_end),
    Mutant("an old report outdoes a heartbeat", "bury_worker", r"running is not null and seen > w\.heartbeat_at",
           "running is not null", bury.test_an_old_report_does_not_outdo_a_later_heartbeat),
    Mutant("a later report takes the place of the first", "bury_worker", r" and w\.lost_because is null", "",
           bury.test_it_may_be_asked_again_and_of_workers_that_are_gone),
    Mutant("nothing is forgiven", "finish_unended", r", 'killed'\]", "]", bury.test_a_run_that_ends_by_itself_is_forgiven,
           ({"state": "failed", "error": {}},)),
    Mutant("a retry forgives nothing", "control_of_retry", "killed,", "", bury.test_a_retry_of_the_dead_letter_starts_anew),
    # leave_out
    Mutant("a claim takes what it is to leave out", "claim", r"took\.paused := took\.paused \|\| [^;]*;", "null;",
           leave.test_what_is_left_out_stays_ready_and_others_get_it),
    Mutant("pauses forget what is left out", "claim", r"took\.paused := took\.paused \|\| checked", "took.paused := checked",
           leave.test_beside_a_paused_task),
    Mutant("a lane of others leaves the line", "claim_lanes",
           r"if took\.left_out is not null and exists \(", "if false and exists (",
           leave.test_a_lane_that_holds_only_such_jobs_stays_in_line_for_others),
    Mutant("a burst waits for others", "has_work", r"paused := paused \|\| [^;]*;", "null;",
           leave.test_a_burst_is_over_when_nothing_else_is_left, (None,)),
    Mutant("own tasks are foreign", "foreign_tasks", r"task <> all \(tasks\)", "true",
           leave.test_foreign_tasks_are_those_of_ready_jobs_that_a_worker_does_not_have),
    Mutant("limits hide foreign tasks", "foreign_tasks", r"lane_id is not null", "false",
           leave.test_foreign_tasks_are_those_of_ready_jobs_that_a_worker_does_not_have),
    # who has a task
    Mutant("the dead know tasks", "lacks_worker", r"is_alive\(w\) and ", "",
           lacks.test_a_worker_that_is_lost_is_as_if_it_were_not_there),
    Mutant("the dead know tasks, for doctor", "diagnose_tasks", r" where is_alive\(w\)", "",
           diagnose.test_jobs_of_an_unknown_task_are_told_after_a_minute_where_a_worker_could_have_it,
           ("update worker set heartbeat_at = '2020-01-01'",)),
    Mutant("workers of other queues know tasks", "lacks_worker", r" and lacks_worker\.queue = any \(w\.queues\)", "",
           lacks.test_a_task_lacks_a_worker_if_its_queue_is_served_only_by_others,
           ([("default", "add"), ("other", "noop")], True)),
    Mutant("a deploy is a finding", "diagnose_tasks", r" or run_at < clock_timestamp\(\) - interval '1 minute'", " or true",
           diagnose.test_jobs_of_an_unknown_task_are_told_after_a_minute_where_a_worker_could_have_it,
           ("update job set run_at = clock_timestamp()",)),
]  # fmt: skip
