"""Rules of queues: pauses, drains, what the history keeps, depth, starvation."""

from .. import test_draining as draining
from .. import test_pause as pause
from .. import test_starving as starving
from .. import test_sweep_queues as depth
from .. import test_unkept as unkept
from .mutant import Mutant

NOT_PAUSED = r" and \(took\.paused is null or j\.task <> all \(took\.paused\)\)"
OTHER_TASKS = r"\(paused is null or j\.task <> all \(paused\)\) and "
OTHERS = pause.test_other_tasks_overtake_a_paused_one

MUTANTS = [
    Mutant("a claim does not look at pauses", "claim", r"if exists \(select from pause where kind > ''\) then", "if false then",
           pause.five_workers_take_nothing_of_a_paused_queue),
    Mutant("a claim looks at pauses before anything else", "assert_active", r"if not exists \(select from worker.*?\) then",
           "if worker is null then", draining.a_claim_that_is_under_way_is_waited_for),
    Mutant("paused tasks start", "pick_others", OTHER_TASKS, "", OTHERS, ([], False)),
    Mutant("paused tasks start from a cursor", "pick_others", OTHER_TASKS, "", OTHERS, ([], True)),
    Mutant("paused tasks start from lanes", "claim_lanes", NOT_PAUSED, "", OTHERS, (["k"], False)),
    Mutant("paused tasks start from a queue with a limit", "claim_gated", NOT_PAUSED, "", OTHERS, (["queue:default"], False)),
    Mutant("a paused suspect starts", "pick_suspect", r"\(paused is null or task <> all \(paused\)\) and ", "",
           pause.test_a_suspect_of_what_is_paused_does_not_start_either, ("task", "noop")),
    Mutant("everything but some", "unpaused", r"queues := '\{\}';", "null;",
           pause.test_nothing_of_what_is_paused_starts_until_it_is_resumed, ("everything", None)),
    Mutant("weights of other queues", "unpaused", r"weights\[q\.place\] order by q\.place",
           "weights[q.place] order by q.name desc", pause.test_other_queues_go_on_with_their_weights),
    Mutant("a burst waits for pauses", "has_work", r"if exists \(select from pause where kind > ''\) then", "if false then",
           pause.test_paused_jobs_are_no_work_that_holds_a_burst_open, ("queue", "default")),
    Mutant("a burst waits for paused tasks", "has_work", r"and \(paused is null or task <> all \(paused\)\)", "",
           pause.test_paused_jobs_are_no_work_that_holds_a_burst_open, ("task", "noop")),
    Mutant("a drain overlooks claims", "draining", r"claims := array\(.*?\);", "claims := '{}';",
           draining.a_claim_that_is_under_way_is_waited_for),
    # history
    Mutant("nodes are not kept", "is_kept", r" or workflow_id is not null", "", unkept.nodes_are_kept),
    Mutant("a commit without a row in the history is lost", "finished", r"-- Nothing is left[^)]*\)", "",
           unkept.a_commit_whose_answer_was_lost_is_known_to_have_happened),
    Mutant("one setting for all", "unkept", r"where not keeps", "where true",
           unkept.test_a_job_leaves_no_row_if_its_queue_keeps_none_of_its_state, ("keep_succeeded", "succeeded")),
    Mutant("results are lost with the row", "result", r"if not found then  -- its.*?end if;", "",
           unkept.test_its_result_is_kept_as_long_as_ever),
    Mutant("expired jobs are kept", "end_waiting", r" and is_kept\('cancelled', g\.queue, g\.workflow_id, unkept\)", "",
           unkept.test_a_job_that_is_cancelled_before_it_starts_leaves_no_row_either, (unkept.expired,)),
    Mutant("cancelled jobs are kept", "cancel_held", r" where is_kept\([^)]*\)", "",
           unkept.test_a_job_that_is_cancelled_before_it_starts_leaves_no_row_either, (unkept.cancelled_while_it_waits,)),
    # depth
    Mutant("a full queue takes more", "check_depth", r"if found and its\.ready", "if false and its.ready",
           depth.test_a_full_queue_refuses_more_before_anything_is_written, ("enqueue",)),
    Mutant("a full queue takes plain jobs", "enqueue_plain", r"if exists[^;]*;\s+end if;", "",
           depth.test_a_full_queue_refuses_more_before_anything_is_written, ("enqueue_plain",)),
    Mutant("jobs for later are refused", "check_depth", r"if run_at > [^;]*? then", "if false then",
           depth.test_what_is_not_ready_at_once_is_not_refused, ("enqueue('noop', run_after => '1 h')",), "PQ005"),
    Mutant("a batch counts as one job", "check_depth", r"its\.ready \+ more >", "its.ready + 1 >",
           depth.test_a_batch_that_does_not_fit_is_refused_whole),
    Mutant("callbacks are refused", "enqueue_callback", r"insert_each\(", "enqueue_many(",
           depth.test_a_callback_of_a_workflow_is_never_refused, (), "PQ005"),
    Mutant("children are refused", "check_depths", r"and coalesce\(nullif\(element->'after'[^\n]*", "",
           depth.test_what_is_not_ready_at_once_is_not_refused,
           ("""enqueue_workflow('[{"task": "noop", "queue": "other"}, {"task": "noop", "after": [1]}]')""",), "PQ005"),
    Mutant("jobs with limits are not counted", "count_ready", r"if pg_relation_size\('turn'\) = 0 then", "if true then",
           depth.jobs_with_limits_are_counted),
    Mutant("a count has no end", "count_ready", [(r" limit most\)", ")"), (r"pg_relation_size\('turn'\) = 0", "true")], "",
           depth.test_a_count_ends_above_what_matters),
    Mutant("the newest are dropped", "oldest_ready", r"order by j\.run_at, j\.id limit", "order by j.run_at desc, j.id limit",
           depth.the_oldest_are_dropped_whatever_their_priority),
    Mutant("only one priority is looked at", "oldest_ready", r"from p where p\.priority is not null", "from p where false",
           depth.the_oldest_are_dropped_whatever_their_priority),
    Mutant("nodes are dropped", "oldest_ready", r" and \(nodes or o\.workflow_id is null\)", "",
           depth.test_nodes_and_jobs_with_limits_are_not_dropped),
    Mutant("drops wait for locks", "oldest_ready", r"\s+skip locked", "", depth.a_locked_job_is_not_waited_for, (), "57014"),
    # starvation
    Mutant("nothing starves", "claim", r"if guarded and", "if false and", starving.the_guard_bounds_the_wait_of_small_priorities),
    Mutant("all of a claim may starve", "starving", r"room \* its\.starvation_share", "room", starving.the_share_is_the_most),
    Mutant("young jobs starve", "starving", r"clock_timestamp\(\) - its\.starvation_after", "'infinity'",
           starving.test_what_has_not_waited_for_long_does_not_overtake),
    Mutant("a claim takes more than it wants", "pick_others", r"if taken = '\{\}' then", "if true then",
           starving.the_share_is_the_most),
    Mutant("a limit ends the guard", "claim_gated", r"if exists \(select from queue q where q.name > ''\) then", "if false then",
           starving.test_a_queue_with_a_limit_is_guarded_too),
]  # fmt: skip
