"""Rules of limits: whose turn it is, also when the clock is set back."""

from collections.abc import Callable
from functools import partial
from typing import Any

from .. import limit_clock as clock
from .. import limit_places as places
from .. import limit_rates as rates
from .. import limit_turns as turns
from .. import limit_waits as waits
from .. import test_clock_steps as steps
from .. import test_limit_enqueue as enqueue
from .. import test_limit_moves as moves
from .. import test_sweep_lanes as sweep
from ..conftest import Sql
from ..limit_steps import set_limit
from .mutant import DROP, Mutant

TURNS = "perform take_turns" + DROP
NO_SUSPECTS = [(r"array_position\(got\.suspects, true\)", "null")]


def api(test: Callable[..., None]) -> Callable[..., None]:
    """A test of enqueue, with the limits that it needs."""

    def prepared(sql: Sql, *given: Any) -> None:
        for name in ("api", "tenant"):
            set_limit(sql, name, rate=1, per="1 h", burst=4)
        test(sql, *given)

    return prepared


MUTANTS = [
    # turns
    Mutant("a job that is enqueued takes no turn", "insert_job", "perform take_turn" + DROP, "null;",
           api(enqueue.test_a_job_that_was_added_in_any_way_has_its_limits_and_starts_under_them), ("enqueue",)),
    Mutant("jobs that are enqueued take no turn", "insert_limited_jobs", r"where its_state = 'ready'", "where false",
           api(enqueue.test_a_job_that_was_added_in_any_way_has_its_limits_and_starts_under_them), ("enqueue_many",)),
    Mutant("released nodes take no turn", "settle", TURNS, "null;",
           api(enqueue.test_a_node_that_waits_for_its_parents_has_its_turn_when_they_have_ended)),
    Mutant("promoted jobs take no turn", "promote", TURNS, "null;",
           moves.test_a_job_that_comes_back_has_its_limits_and_its_turn, ("snoozes",)),
    Mutant("failed jobs take no turn", "finish_batch", TURNS, "null;",
           moves.test_a_job_that_comes_back_has_its_limits_and_its_turn, ("fails and runs again at once",)),
    Mutant("jobs given back take no turn", "give_back", TURNS, "null;",
           moves.test_a_job_that_comes_back_has_its_limits_and_its_turn, ("is given back",)),
    Mutant("rescued jobs take no turn", "rescue_job", TURNS, "null;",
           moves.test_a_job_that_comes_back_has_its_limits_and_its_turn, ("is rescued",)),
    Mutant("retried jobs take no turn", "run_again", TURNS, "null;",
           moves.test_a_job_that_comes_back_has_its_limits_and_its_turn, ("dies and is retried",)),
    Mutant("changed jobs take no turn", "update_job", TURNS, "", moves.test_a_job_that_is_due_by_an_update_has_its_turn),
    Mutant("jobs replaced in another queue take no turn", "insert_job", TURNS, "null;",
           api(enqueue.test_a_job_that_is_replaced_from_another_queue_is_found_in_its_own)),
    Mutant("a replaced job stays in its lane", "insert_unique", r", lane_id = lane_of\(job\.queue, new\.limits\)", "",
           api(enqueue.test_a_replaced_job_has_the_limits_of_the_new_call_and_is_found_by_them),
           ({}, {"limits": ["api"]})),
    Mutant("weight is ignored", "lane_quotas", r"coalesce\(held\.weights\[[^;]*?, 1\)", "1", turns.lanes_share_by_weight),
    Mutant("the rest of a share is forgotten", "claim_lanes", r"credit := shares\[got\.i\] - n", "credit := 0",
           partial(turns.lanes_share_by_weight, batch=1)),
    Mutant("lanes keep their place in line", "claim_lanes", r"when cut and quotas\[got\.i\] > 0 then held\.at", "",
           turns.every_lane_has_its_turn),
    Mutant("sweeping does not look for lanes", "sweep_lanes",
           r"where not exists (?=\(select from turn t\s+where t\.lane_id = l\.id)",
           "where false and not exists ", waits.lost_turns_are_found),
    Mutant("sweeping does not look for keys", "sweep_keys", r"where not s\.is_watched", "where false",
           waits.lost_turns_are_found),
    Mutant("sweeping opens keys that have no place", "is_open", r"d\.max_running is null or ", "true or ",
           waits.a_key_without_a_place_is_not_looked_at),
    Mutant("turns of keys pile up", "sweep_keys", r"s\.due > 1", "false",
           sweep.test_many_turns_of_a_key_in_a_queue_that_nobody_serves_become_one),
    Mutant("a slow lane begins late for ever", "front_of_line", r"filter \(where t\.whole_at between [^)]*\)", "",
           turns.what_stands_in_front_of_a_slow_lane_is_seen_after_a_second),
    Mutant("keys in other hands stay in front", "open_keys", r"if cardinality\(ids\) = 64 then", "if false then",
           waits.keys_of_which_somebody_has_the_buckets_go_to_the_end),
    Mutant("what is over stays parked in the table", "sweep_keys", r"delete from parking" + DROP, "",
           sweep.test_what_was_parked_and_is_long_over_is_forgotten),
    Mutant("plain jobs wait for those with limits", "claim", r"asked := least\(asked, case when room = 1[^;]*;", "null;",
           turns.half_of_the_room_is_for_each),
    Mutant("what a worker says of limits is ignored", "claim", r"asked := least\(room, limited - before\);", "asked := room;",
           turns.a_worker_says_how_many_may_have_limits),
    Mutant("suspects start together", "claim_lanes", NO_SUSPECTS, "", turns.suspects_start_one_at_a_time),
    Mutant("a suspect with limits beside one without", "claim", r"took\.suspect := picked = '\{\}';", "took.suspect := true;",
           turns.suspects_start_one_at_a_time),
    Mutant("small priorities first", "claim_lanes", r"j\.priority desc", "j.priority",
           moves.test_within_a_lane_jobs_start_by_priority_then_time_then_id),
    Mutant("a suspect stays in its lane", "rescue_job", r"case when lost\.lane_id is not null .*? else lost\.lane_id end",
           "lost.lane_id", turns.a_suspect_does_not_stop_the_others_of_its_key),
    Mutant("lanes of keys in other hands stay in front", "claim_lanes", r"if cut and array_position\(quotas, null\)",
           "if false and array_position(quotas, null)", waits.lanes_of_a_key_that_somebody_has_go_to_the_end),
    Mutant("lanes in other hands stay in front", "claim_lanes", r"if cut then  --", "if false then  --",
           waits.lanes_of_which_somebody_has_all_keys_go_to_the_end),
    Mutant("what is locked is not in line", "note_line_start", r"limit 1\)", "limit 1 for update skip locked)",
           waits.lanes_in_other_hands_are_not_hidden),
    Mutant("the line begins in the future", "note_line_start", r"least\(", "coalesce(",
           waits.what_opens_after_the_line_was_noted_is_seen),
    Mutant("a place is told in one queue", "waiting_queues", r"where name is not null", "where name is not null limit 1",
           turns.a_key_that_has_a_place_is_told_once_in_every_queue),
    Mutant("a place is told to each lane", "waiting_queues", r"with recursive.*where name is not null",
           "select queue from turn where key = its_key", turns.a_key_that_has_a_place_is_told_once_in_every_queue),
    Mutant("a change is told to each lane", "open_limit", r"select distinct u\.queue", "select u.queue",
           turns.a_key_that_has_a_place_is_told_once_in_every_queue),
    Mutant("the named queue has a turn of the job that was replaced", "insert_job", r"if duplicate then  --", "if false then  --",
           api(enqueue.test_a_job_that_is_replaced_from_another_queue_is_found_in_its_own)),
    *(Mutant(f"changes are not noted: {change}", "open_limit", r"insert into parking" + DROP, "", test, (change,))
      for change in ("set_limit", "delete_limit", "unpark")
      for test in (sweep.test_a_change_that_commits_after_a_lane_was_parked_by_the_old_rule_is_found,
                   sweep.test_a_lane_that_is_parked_by_the_old_rule_while_a_change_commits_is_found)),
    Mutant("turns of keys are believed", "sweep_keys", r":= exists \(select from parking.*?;", ":= false;",
           sweep.test_a_change_that_commits_after_a_lane_was_parked_by_the_old_rule_is_found, ("set_limit",)),
    # a clock set back
    Mutant("claims before the oldest are not counted", "pay", r"least\(s\.oldest, held\.at\)", "s.oldest",
           places.a_clock_that_was_set_back_lets_no_more_run),
    Mutant("lanes in the future are looked at", "sweep_lanes", r"t\.due_at < \S+ \+ interval '5 s'", "true",
           sweep.test_a_clock_that_was_set_back_stops_neither_lanes_nor_keys_for_longer_than_until_the_next_sweep),
    Mutant("a key that was filled in the future is shut", "is_open", r"or b\.refilled_at > clock_timestamp\(\)", "",
           rates.a_clock_that_was_set_back_stops_nobody),
    Mutant("a change parks when the clock is set back", "open_limit", r"values \(''", "values (its_name",
           places.a_clock_that_was_set_back_lets_no_more_run),
    Mutant("lanes parked by the new clock come first", "open_keys",
           r"due_at (?:>|<=) now_ \+ interval '1 second'", "due_at <= now_",
           clock.lanes_take_turns_after_the_clock_was_set_back),
    Mutant("a lane that was slow in the future is slow for ever", "front_of_line",
           r"whole_at between now_ - interval '1 second' and .*?\)",
           "whole_at > now_)", clock.a_slow_lane_is_read_whole_after_the_clock_was_set_back),
    Mutant("lanes parked in the future tell nothing", "sweep_keys", r"and not bool_or\(lane_id is not null.*?\)(?=\s+as)", "",
           clock.a_key_is_looked_at_after_the_clock_was_set_back),
    Mutant("a clock that was set back is not noticed", "follow_clock", r"if seen is null or seen <= ahead then", "if true then",
           steps.test_a_key_is_parked_for_as_long_as_was_said),
    Mutant("jobs that were ready are not moved", "follow_clock", r"update job set run_at = least" + DROP, "null;",
           steps.test_jobs_that_were_ready_before_the_step_start_before_those_that_came_after_it, (None,)),
    Mutant("jobs that were put off are not moved", "follow_clock", r"update job set run_at = now_" + DROP, "null;",
           steps.test_a_job_that_was_put_off_waits_its_delay_and_not_the_hour, ("a snooze",)),
    Mutant("parked keys are not moved", "follow_clock", r"update parking" + DROP, "null;",
           steps.test_a_key_is_parked_for_as_long_as_was_said),
    Mutant("a step of the clock waits for an operator", "follow_clock", r"update parking[^;]*;",
           "update parking set until = now_ + (until - parked_at), parked_at = now_ where parked_at > ahead;",
           steps.test_a_key_that_is_just_being_unparked_holds_up_nobody),
    Mutant("keys of a period are not moved", "follow_clock", r"update unique_hold" + DROP, "null;",
           steps.test_a_key_of_mode_period_is_held_for_its_period),
    Mutant("what was not moved is forgotten", "follow_clock", r"if most < at_most then", "if true then",
           steps.test_more_than_one_call_can_move_is_moved_by_the_next),
    Mutant("nobody writes down since when a job is put off", "finish_unended", r"put_off_at = ended_at,", "",
           steps.test_a_job_that_was_put_off_waits_its_delay_and_not_the_hour, ("a snooze",)),
    Mutant("nobody writes down since when a suspect is put off", "rescue_job", r"put_off_at = clock_timestamp\(\),", "",
           steps.test_a_rescued_suspect_waits_its_delay_and_not_the_hour),
    Mutant("a time that was given counts as a delay", "update_job", r"put_off_at = case[^,]*?end", "put_off_at = j.put_off_at",
           steps.test_a_put_off_job_that_was_given_a_time_waits_for_that),
    Mutant("a heartbeat in the future is believed", "mark_lost", r"update worker set heartbeat_at" + DROP, "null;",
           steps.test_a_worker_that_has_died_is_lost_a_lease_later_and_not_an_hour),
    Mutant("a claim in the future is on its way", "reconcile", r"not between .*? and now_ \+ grace",
           "< now_ - grace", steps.test_a_claim_whose_answer_was_lost_before_the_step_is_given_back, ("10 s",)),
]  # fmt: skip
