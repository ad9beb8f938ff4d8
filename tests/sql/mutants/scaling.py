"""Rules of pools that scale themselves, and of the hint for scalers of others."""

from .. import test_autoscale as checks
from .. import test_decide_scaling as decisions
from .. import test_scaling_hint as hints
from .. import test_scaling_loads as loads
from .. import test_set_autoscale as rules
from .mutant import Mutant

IN_THE_WAY = decisions.test_what_is_in_the_way_is_named
NOT_COUNTED = hints.test_what_runs_in_a_worker_that_ends_does_not_count
SAME_MOMENT = checks.test_whoever_calls_it_looks_once_in_a_while
ON_THEIR_WAY = decisions.test_workers_that_are_on_their_way_are_not_asked_for_again

MUTANTS = [
    # what is seen
    Mutant("workers that end count", "crew_of", r" and not w\.draining", "", NOT_COUNTED, ("draining = true",)),
    Mutant("workers that were told to end count", "crew_of", r" and w\.told is null", "", NOT_COUNTED, ("told = 'drain'",)),
    Mutant("workers of other queues count", "is_of_pool", r"w\.queues <@ array\(.*?\) q\)", "true",
           hints.test_a_worker_outside_of_pools_counts_if_it_serves_nothing_but_its_queues),
    Mutant("what is paused counts", "load_of", r"if exists \(select from pause where kind > ''\) then", "if false then",
           hints.test_what_is_paused_needs_no_worker, ("pause('queue', 'mail')",)),
    Mutant("paused tasks count", "startable", r"\(paused is null or task <> all \(paused\)\) and ", "",
           hints.test_what_is_paused_needs_no_worker, ("pause('task', 'noop')",)),
    Mutant("what nobody knows counts", "known_to", r"select case when", "select case when false and",
           hints.test_a_job_that_no_worker_of_the_pool_knows_needs_none_of_them),
    Mutant("limits let all of a lane start", "startable_in_lanes", r"min\(m\.max_running\), .*?rate is not null\),\s+", "",
           hints.test_jobs_with_limits_count_as_far_as_they_can_run_at_once),
    Mutant("suspects need nobody", "startable", r"\+ suspects\(in_queue\)", "",
           hints.test_a_job_that_may_kill_its_worker_needs_one),
    Mutant("what the dead have left is forgotten", "soon_ready", r"and not is_alive\(w\)", "and is_alive(w)",
           hints.test_what_a_dead_worker_has_left_behind_needs_one, ("lost",)),
    Mutant("nobody makes due jobs ready", "soon_ready", r"j\.state = 'scheduled'", "j.state = 'ready'",
           hints.test_a_pool_without_workers_needs_one_when_a_time_has_come),
    Mutant("more than the maximum", "scaling_hint",
           [(r"its\.maximum::bigint \* its\.concurrency, 10000", "10000"), (r", its\.maximum\)", ", 1000)")], "",
           hints.test_no_more_than_its_maximum),
    Mutant("connections of the server alone", "connections_left", r"from connection_bounds\(\)",
           "from connection_bounds() where subject = 'max_connections'",
           checks.test_connections_that_are_left_are_those_of_the_tightest_bound),
    # what is decided
    Mutant("pending workers are asked for again", "grown", r"when pending > 0 and .*? then 'pending", "when false then 'pending",
           ON_THEIR_WAY),
    Mutant("no cooldown upwards", "grown", r"when not is_past\(its\.scaled_up_at.*?ago', rules->>'cooldown_up'\)", "", IN_THE_WAY,
           ({"scaled_up_at": decisions.ago(59)}, {}, "cooldown_up: the last change upwards was less than 60 seconds ago")),
    Mutant("a time in the future is a cooldown", "is_past", r" or since > at", "",
           decisions.test_after_the_cooldown_it_goes_on, (decisions.ago(-1),)),
    Mutant("connections are not looked at", "grown", r"when spare < each", "when false", IN_THE_WAY,
           ({}, {"connections_left": 14}, "connections: fewer than min_connections_left = 10 would be left")),
    Mutant("connections of pending workers are given away", "grown", r" - pending \* each", "",
           decisions.test_only_so_many_are_added_as_there_are_connections_left_for),
    Mutant("more workers than jobs", "grown", r"greatest\(jobs \+ 1, its\.wanted\), ", "",
           decisions.test_there_is_never_more_than_a_worker_for_each_job_and_one),
    Mutant("replicas are not looked at", "grown", r"when \(figures->>'replication_lag'\)::float8 >", "when 0 >", IN_THE_WAY,
           ({}, {"replication_lag": 6}, "replication: a replica is later than max_replication_lag = 5 seconds")),
    Mutant("low for a moment is enough", "decide_scaling", r"not is_past\(coalesce\(its\.low_since, at\)[^)]*\)", "false",
           decisions.test_what_goes_has_not_been_needed_for_the_whole_cooldown),
    Mutant("what was needed before is forgotten", "decide_scaling", r", coalesce\(its\.low_need, 0\)\)", ", 0)",
           decisions.test_what_goes_has_not_been_needed_for_the_whole_cooldown),
    Mutant("running jobs do not keep workers", "workers_needed", r"\(figures->>'running'\)::numeric \+ ", "",
           decisions.test_running_jobs_keep_the_workers_that_they_need),
    Mutant("all go at once", "decide_scaling", r"greatest\(its\.wanted / 2, 1\)", "its.wanted",
           decisions.test_at_most_half_of_them_go_at_a_time_or_a_step),
    Mutant("down again after up", "decide_scaling", r"and is_past\(its\.scaled_up_at[^)]*\)", "",
           decisions.test_after_any_change_none_goes_for_a_while, ("scaled_up_at",)),
    Mutant("to the edge of a rule", "workers_needed", r"coalesce\(\(rules->>'utilisation_down'\)::numeric",
           "coalesce((rules->>'utilisation_up')::numeric", decisions.test_running_jobs_keep_the_workers_that_they_need),
    Mutant("slow to rise", "workers_needed", r"least\(ceil\(", "least(1 + 0 * ceil(",
           loads.test_a_burst_brings_all_workers_within_two_checks),
    Mutant("no worker knows the queues", "decide_scaling", r"case when its\.queues = '\{\}' then greatest\(its\.minimum, 1\)",
           "case when false then 0", decisions.test_bounds_hold_at_once,
           (0, {"minimum": 0, "queues": []}, 1, "minimum of the pool is 1")),
    # who looks, and what is written down
    Mutant("each call looks", "autoscale", r"if not is_past\(its\.checked_at", "if is_past('infinity'", SAME_MOMENT),
    Mutant("agents wait for each other", "autoscale", r"for update skip locked", "for update",
           checks.test_of_several_agents_one_looks_and_the_others_do_not_wait, sqlstate="57014"),
    Mutant("agents look at the same time", "autoscale", r"for update skip locked", "",
           checks.test_of_several_agents_one_looks_and_the_others_do_not_wait, sqlstate="57014"),
    Mutant("paused pools scale", "autoscale", r" or its\.paused", "",
           checks.test_a_pool_that_does_not_scale_itself_is_left_alone, ("paused = true",)),
    Mutant("a refusal is noted each time", "note_scaling", r"refused is distinct from its\.refused and ", "",
           checks.test_a_refusal_is_noted_once_until_something_changes),
    Mutant("agents are not told", "note_scaling", r"perform wake\(.*?\);", "", checks.test_agents_are_told),
    Mutant("a new rule waits", "set_autoscale", r"checked_at = null, ", "",
           rules.test_the_next_check_is_at_once_and_by_the_new_rules),
]  # fmt: skip
