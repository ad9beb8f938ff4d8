"""Each rule of limits is taken out of the SQL once, and the guarantee or test that rests on it must break: it would notice."""

import inspect
import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import psycopg
import pytest

from . import guarantees
from . import limit_clock as clock
from . import limit_costs as costs
from . import limit_places as places
from . import limit_rates as rates
from . import limit_savings as savings
from . import limit_turns as turns
from . import limit_waits as waits
from . import test_clock_steps as steps
from . import test_declare_limit as declare
from . import test_delete_limit as delete
from . import test_limit_enqueue as enqueue
from . import test_limit_keys as keys
from . import test_limit_moves as moves
from . import test_park as park
from . import test_reset_limit as reset
from . import test_retry_blocking as blocking
from . import test_set_limit as changes
from . import test_sweep_lanes as sweep
from . import test_unpark as unpark
from .conftest import Sql
from .limit_steps import set_limit

pytestmark = pytest.mark.one_postgres


class Mutant(NamedTuple):
    """Rules taken out of a function, or of several, with commas between them; what fails then, and what that is given."""

    what: str
    function: str
    rules: str | list[tuple[str, str]]  # regular expressions, and what stands in their place
    instead: str
    broken: Callable[..., None]
    given: tuple[Any, ...] = ()


def tenant(test: Callable[..., None]) -> Callable[..., None]:
    """A test of keys, with the limits that it needs."""

    def prepared(sql: Sql, *given: Any) -> None:
        for name in ("tenant", "openai", "task:send"):
            set_limit(sql, name, max_running=1)
        test(sql, *given)

    return prepared


def api(test: Callable[..., None]) -> Callable[..., None]:
    """A test of enqueue, with the limits that it needs."""

    def prepared(sql: Sql, *given: Any) -> None:
        for name in ("api", "tenant"):
            set_limit(sql, name, rate=1, per="1 h", burst=4)
        test(sql, *given)

    return prepared


DROP = r"[^;]*;"
SKIP = r"\s+skip locked"
TURNS = "perform take_turns" + DROP
FREE = "perform free_keys" + DROP
OPEN = "perform open_limit" + DROP
FIRST_KEY = [(r"in array lane\.keys loop", "in array lane.keys[:1] loop")]
NO_CAPS = [(r"least\(1000000, weights", "greatest(0, weights"), (r"least\(quota, 1000000\)", "quota")]
NO_SUSPECTS = [(r"array_position\(got\.suspects, true\)", "null")]
EARLY_CLOCK = [
    (r"held\.at := clock_timestamp\(\);", ""),
    (r"\nbegin\n", "\nbegin held.at := clock_timestamp();\n"),
    (r"if held\.at < any \(since\) then.*?end if;", ""),
]
EARLY_COUNT = [
    (r"held := count_places\(held\);", "null;"),
    (r"coalesce\(d\.max_running, 'infinity'::float8\)",
     "coalesce(d.max_running, 'infinity'::float8)"
     " - (select count(*) from job j where k.key = any (j.limits) and j.state = 'running')"),
]  # fmt: skip

MUTANTS = [
    # nobody waits
    Mutant("claims wait for lanes", "front_of_line", SKIP, "", waits.claimers_of_one_lane_share_it_without_waiting),
    Mutant("claims wait for buckets", "lock_buckets", SKIP, "", waits.claimers_never_wait_for_each_other),
    Mutant("claims wait for jobs", "claim_lanes", r"for no key update skip locked", "for no key update",
           turns.a_job_that_somebody_holds_is_passed_over),
    Mutant("jobs are not locked", "claim_lanes", r"for no key update skip locked", "",
           turns.a_job_that_somebody_holds_is_passed_over),
    Mutant("buckets are not locked", "lock_buckets", r"for no key update skip locked", "",
           waits.claimers_never_wait_for_each_other),
    Mutant("claims of queues with limits wait", "lock_buckets", SKIP, "", waits.a_claim_of_a_gated_queue_waits_for_no_other),
    # rates
    Mutant("starts are not paid for", "claim_lanes", "perform pay" + DROP, "", rates.tokens_come_back_at_the_rate),
    Mutant("starts take no tokens", "claim_lanes", r"held\.tokens\[p\] := held\.tokens\[p\] - spent;", "",
           rates.tokens_come_back_at_the_rate),
    Mutant("the burst has no end", "refilled", r"least\(burst, coalesce", "greatest(0, coalesce",
           rates.tokens_come_back_at_the_rate),
    Mutant("the clock is read before the lock", "lock_buckets", EARLY_CLOCK, "", places.the_clock_is_read_after_the_lock),
    Mutant("starts are stamped with the transaction", "claim", r"claimed_at = l\.at", "claimed_at = now()",
           rates.a_start_is_counted_when_it_is_made_and_not_when_its_claim_began),
    Mutant("a clock set back stops its keys", "lock_buckets", r"if held\.at < any \(since\) then.*?end if;", "",
           rates.a_clock_that_was_set_back_stops_nobody),
    Mutant("time that runs back takes tokens", "lock_buckets",
           [(r"if held\.at < any \(since\) then.*?end if;", ""),
            (r"refilled\(.*?since\[p\], held\.at\)",
             "held.tokens[p] + held.rates[p] * extract(epoch from held.at - since[p])::float8")],
           "", rates.a_clock_that_was_set_back_stops_nobody),
    Mutant("cost is ignored", "claim_lanes", r"got\.most_cost > 1", "false", rates.a_job_takes_the_tokens_that_it_costs),
    Mutant("a dear job takes one token", "claim_lanes", r"spent := \(select coalesce" + DROP, "spent := n;",
           rates.a_job_takes_the_tokens_that_it_costs),
    Mutant("what costs more than the burst never starts", "affordable", r"least\(coalesce\(costs\[i\], 1\), burst\)",
           "coalesce(costs[i], 1)", rates.a_job_above_the_burst_leaves_a_debt),
    Mutant("debts are forgiven", "pay", r"nullif\(s\.tokens, 'infinity'\)", "greatest(nullif(s.tokens, 'infinity'), 0)",
           rates.a_job_above_the_burst_leaves_a_debt),
    Mutant("cost is always counted", "claim_lanes", r" and held\.count_cost\[p\]", "",
           rates.a_limit_may_count_starts_and_not_costs),
    # several keys
    Mutant("the first key decides", "claim_lanes,lane_quotas", FIRST_KEY, "", rates.all_limits_or_none),
    Mutant("keys that another claimer has are left out", "lane_quotas", r"quota := null;\s*exit;", "continue;",
           rates.a_key_that_another_claimer_has_stops_the_job_and_costs_nothing),
    Mutant("a name is one key", "limit_keys", r"limit_key\('limits', template, args\)",
           "split_part(limit_key('limits', template, args), ':', 1)", rates.the_keys_of_a_name_are_counted_apart),
    Mutant("a key's own limit comes second", "limit_of", r"d\.name = its_key desc", "d.name = its_key",
           changes.test_a_key_with_a_limit_of_its_own_has_that_one_alone),
    Mutant("disabled limits hold", "limit_of", r"case when d\.enabled then (d\.\w+) end", r"\1",
           changes.test_a_limit_that_is_taken_off_lets_all_that_waits_start_and_holds_again_when_it_is_put_back,
           ({"enabled": False},)),
    # places
    Mutant("places are counted in the statement of the lock", "lock_buckets", EARLY_COUNT, "",
           places.a_claim_that_commits_just_before_the_lock_is_counted),
    Mutant("places are not counted", "lock_buckets", r"held := count_places\(held\);", "null;",
           places.no_more_run_than_there_are_places),
    Mutant("nobody writes down who holds places", "pay", r"insert into permit.*?;", "null;",
           places.no_more_run_than_there_are_places),
    Mutant("jobs do not know that they hold places", "claim", r", holds_place = l\.place", "",
           places.no_more_run_than_there_are_places),
    Mutant("old claims hold no places", "pay", r"oldest_claim = least\(s\.oldest, held\.at\)", "oldest_claim = held.at",
           places.no_more_run_than_there_are_places),
    Mutant("places of ended jobs are not freed", "finish_ended", FREE, "null;", places.places_come_back),
    Mutant("places of failed jobs are not freed", "finish_batch", FREE, "null;", places.places_come_back),
    Mutant("places of rescued jobs are not freed", "rescue_job", FREE, "null;", places.places_come_back),
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
    Mutant("changed jobs take no turn", "update", TURNS, "", moves.test_a_job_that_is_due_by_an_update_has_its_turn),
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
           r"where not exists (?=\(select from turn t where t\.lane_id = l\.id)",
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
    Mutant("a time that was given counts as a delay", "update", r"put_off_at = case[^,]*?end", "put_off_at = j.put_off_at",
           steps.test_a_put_off_job_that_was_given_a_time_waits_for_that),
    Mutant("a heartbeat in the future is believed", "mark_lost", r"update worker set heartbeat_at" + DROP, "null;",
           steps.test_a_worker_that_has_died_is_lost_a_lease_later_and_not_an_hour),
    Mutant("a claim in the future is on its way", "reconcile", r"not between .*? and clock_timestamp\(\) \+ grace",
           "< clock_timestamp() - grace", steps.test_a_claim_whose_answer_was_lost_before_the_step_is_given_back, ("10 s",)),
    # costs
    Mutant("nothing is saved", "claim_lanes", r"held := save_tokens" + DROP, "null;",
           costs.a_costly_job_starts_beside_cheap_ones),
    Mutant("one key saves", "save_tokens",
           r"continue when held\.rates\[p\] is null", "continue when i > 1 or held.rates[p] is null",
           savings.a_costly_job_with_several_limits_starts_beside_cheap_ones_of_each),
    Mutant("keys are taken out of their order", "save_tokens", r"may := may and .*?;",
           "may := held.saved_for[p] is null or held.saved_for[p] = lane.lane_id;", savings.a_lane_takes_its_keys_in_their_order),
    Mutant("a lane takes what is saved for another", "save_tokens", r"or may and has_room\)", "or has_room)",
           savings.costly_jobs_that_want_each_other_s_keys_all_start),
    Mutant("fast keys save as long as slow ones", "kept_at", r"its\.tokens - per_second[^;]*?::float8\)\)", "its.tokens)",
           savings.until_a_slow_key_has_enough_the_fast_ones_go_on),
    Mutant("a lane waits for tokens before it waits for a place", "claim_lanes",
           r"shut is null or held\.places\[shut\].*? then p", "shut is null then p",
           savings.a_lane_that_lacks_a_place_and_tokens_waits_for_the_place),
    Mutant("nothing is kept while a place is missing", "save_tokens", r"else interval '10 min'", "else interval '-1 s'",
           savings.what_was_saved_is_kept_while_a_place_is_missing),
    Mutant("keys that save are polled", "opening_of", r"case when held\.saved_for\[p\] is not null and", "case when false and",
           savings.a_key_that_saves_for_hours_is_not_asked_all_the_time),
    *(Mutant(f"sweeping does not see that savings are void: {way}", "sweep_keys",
             r"and not is_saving\([^)]*\)[^)]*\)", "and false", savings.a_key_does_not_stay_shut_for_a_job_that_is_gone, (way,))
      for way in ("cancelled", "postponed", "overtaken", "another key parked")),
    Mutant("savings are never void", "lock_buckets", r"if is_saving\([^;]*? then", "if true then",
           savings.a_key_does_not_stay_shut_for_a_job_that_is_gone, ("cancelled",)),
    Mutant("what is saved is kept", "is_saving", r"and its\.until > at", "",
           costs.a_lane_that_is_saved_for_in_vain_holds_up_nobody_for_long),
    Mutant("weights have no end", "lane_quotas", NO_CAPS, "",
           costs.a_job_of_the_highest_cost_and_keys_of_the_highest_weight_stop_nobody),
    Mutant("costs have no end", "check_limits", r"not between 1 and 1000000", "< 1",
           tenant(keys.test_limits_that_make_no_sense_are_refused_by_name),
           ({"limits": ["openai"], "cost": 1000001}, "cost", "1000001", "use a whole number from 1 to 1000000")),
    # queues
    Mutant("what lanes of a shut queue say counts", "claim", r"where q <> all \(coalesce\(took\.shut, '\{\}'\)\)", "",
           turns.a_shut_queue_is_not_asked_all_the_time),
    Mutant("limits of queues are ignored", "claim", r"where name = any", "where false and name = any",
           turns.the_limit_of_a_queue_holds_for_all_its_jobs),
    Mutant("plain jobs of a queue are not counted", "claim_gated", r"room := cardinality\(took\.jobs\) - before;", "room := 0;",
           turns.the_limit_of_a_queue_holds_for_all_its_jobs),
    # parking
    Mutant("parking is ignored", "lock_buckets", r"if held\.opens_at\[p\] > held\.at then", "if false then",
           turns.parked_keys_are_shut),
    Mutant("any key can be parked by a job", "keys_to_park", r"case when given = any \(own\) then (array\[given\]) end",
           r"\1",
           park.test_a_key_that_is_not_its_own_is_not_parked_and_the_job_waits_by_itself, ("other",)),
    Mutant("all its keys are parked", "keys_to_park", r", limit_of\(k\.key\) d where d\.rate is not null", "",
           park.test_a_rate_limited_job_stays_in_its_place_and_its_keys_wait, (["api", "crew"], {}, ["api"])),
    Mutant("a retry opens no key", "run_again", r"end_blocking\(job_id\)", "false", blocking.test_it_runs_now),
    Mutant("a key that a retry opens is not looked at", "end_blocking", OPEN, "", blocking.test_it_runs_now),
    Mutant("a retry opens what was shut for longer", "end_blocking", r" and p\.until <= [^;]*?::timestamptz", "",
           blocking.test_a_key_that_was_parked_for_longer_stays_shut),
    Mutant("retries never block", "keys_to_park", r"d\.retry_blocks and d\.enabled", "false",
           moves.test_with_one_at_a_time_a_retry_holds_up_its_key_only_if_the_limit_says_so, (True, "failed")),
    Mutant("retries always block", "keys_to_park", r"d\.retry_blocks and d\.enabled", "true",
           moves.test_with_one_at_a_time_a_retry_holds_up_its_key_only_if_the_limit_says_so, (False, "failed")),
    Mutant("rescued suspects never block", "rescue_job", r"perform park_keys" + DROP, "parks := null;",
           moves.test_with_one_at_a_time_a_retry_holds_up_its_key_only_if_the_limit_says_so, (True, "rescued")),
    Mutant("a name is not parked", "lock_buckets", r"key in \(k\.key, split_part\(k\.key, ':', 1\)\)", "key = k.key",
           park.test_a_name_is_parked_with_all_its_keys_and_opens_with_them),
    Mutant("waiting jobs make no key known", "assert_limit", r"from turn t where its_key", "from turn t where false and its_key",
           park.test_a_fair_key_without_a_limit_can_be_parked_before_its_first_claim),
    Mutant("unparking opens nothing", "unpark", OPEN, "", unpark.test_what_waited_starts_at_once),
    Mutant("anything can be parked", "park", r"perform assert_limit" + DROP, "",
           park.test_an_unknown_key_or_no_time_is_refused, ("'nobody', now()", "key", "there is no such limit")),
    # changes
    Mutant("a changed limit opens nothing", "set_limit", OPEN, "",
           changes.test_more_places_let_waiting_jobs_start_and_fewer_hold_up_the_next),
    Mutant("a deleted limit opens nothing", "delete_limit", OPEN, "",
           delete.test_jobs_that_wait_for_it_start_and_new_ones_with_it_are_refused),
    Mutant("a deleted limit stays parked", "delete_limit", r"delete from parking" + DROP, "",
           delete.test_a_key_that_is_parked_opens_with_it),
    Mutant("a reset opens nothing", "reset_limit", OPEN, "", reset.test_waiting_jobs_start_as_far_as_the_burst_goes),
    Mutant("a reset does not see what it waited for", "reset_limit", [(r"perform from bucket b.*?for update;", ""),
           (r"update bucket b set tokens = null, used = 0 where .*?;",
            "with held as (select b.ctid as at from bucket b where key in (b.key, split_part(b.key, ':', 1)) for update) "
            "update bucket b set tokens = null, used = 0 from held where b.ctid = held.at;")], "",
           reset.test_it_waits_for_a_claim_in_progress_and_fills_what_that_took),
    Mutant("the code always wins", "declare_limit", r"if (\(select d\.declared = definition)",
           r"if false and \1",
           declare.test_the_same_again_changes_nothing_and_leaves_what_people_have_set),
    Mutant("workers declare at once", "declare_limit", "perform pg_advisory" + DROP, "",
           declare.test_workers_that_start_together_declare_it_once),
    # keys
    Mutant("unknown limits are taken", "check_limits", r"not exists \(select from limit_def",
           "false and not exists (select from limit_def",
           tenant(keys.test_limits_that_make_no_sense_are_refused_by_name),
           ({"limits": ["openai", "nobody"]}, "limits", "nobody", "there is no such limit")),
    Mutant("declared limits are looked for", "check_limits",
           r"key <> all \(coalesce\(given\.declared, '\{\}'\)\)", "true",
           tenant(keys.test_limits_that_the_workers_declare_are_not_looked_for_but_must_be_keys_all_the_same)),
    Mutant("lanes of all queues are one", "lane_of", r"queue \|\| E'\\n' \|\| keys", "keys",
           tenant(keys.test_the_same_keys_in_any_order_are_one_lane_and_other_keys_or_queues_are_others)),
    Mutant("a missing argument is nothing", "limit_key", r"if value is null then.*?end if;", "value := coalesce(value, '-');",
           tenant(keys.test_limits_that_make_no_sense_are_refused_by_name),
           ({"limits": ["tenant:{nope}"]}, "limits", "tenant:{nope}", "the arguments have no")),
    Mutant("braces in values are names", "limit_key", r"key := key \|\| left\(rest, start - 1\) \|\| value;",
           "key := key || left(rest, start - 1) || translate(value, '{}', '');", tenant(keys.test_no_two_values_are_one_key)),
    Mutant("a filled key is not looked at", "limit_key", r"perform check_limit_key" + DROP, "",
           tenant(keys.test_limits_that_make_no_sense_are_refused_by_name),
           ({"limits": ["tenant:{empty}"], "args": {"empty": ""}}, "limits", "tenant:", "use a name of letters")),
]  # fmt: skip


def load(sql: Sql, mutant: Mutant) -> None:
    """Replace the functions."""
    rules = [(mutant.rules, mutant.instead)] if isinstance(mutant.rules, str) else mutant.rules
    for function in mutant.function.split(","):
        text = sql.value("select pg_get_functiondef(%s::regproc)", function)
        for rule, instead in rules:
            mutated = re.sub(rule, instead, text, flags=re.S)
            assert mutated != text, f"{function} has no such rule any more: {rule}"
            text = mutated
        sql.connection.execute(text)


def needs_others(test: Callable[..., None]) -> bool:
    """Whether it opens further connections, or must commit."""
    return bool({"open_sql", "another_sql"} & set(inspect.signature(test).parameters))


BROKEN = (AssertionError, ValueError, TypeError, psycopg.Error, pytest.fail.Exception)


@pytest.mark.parametrize("mutant", [mutant for mutant in MUTANTS if not needs_others(mutant.broken)], ids=lambda m: m.what)
def test_without_a_rule_what_rests_on_it_is_seen_to_break(lasting_sql: Sql, mutant: Mutant) -> None:
    with lasting_sql.connection.transaction(force_rollback=True):
        load(lasting_sql, mutant)
        with pytest.raises(BROKEN) as caught:
            mutant.broken(lasting_sql, *mutant.given)
    assert (getattr(caught.value, "sqlstate", None) or "")[:2] != "42", f"the mutant is no valid SQL: {caught.value}"


@pytest.mark.parametrize("mutant", [mutant for mutant in MUTANTS if needs_others(mutant.broken)], ids=lambda m: m.what)
def test_without_a_rule_what_rests_on_it_is_seen_to_break_between_connections(
    sql: Sql, another_sql: Callable[[], Sql], monkeypatch: pytest.MonkeyPatch, mutant: Mutant
) -> None:
    monkeypatch.setattr(guarantees, "PATIENCE", "500ms")
    load(sql, mutant)

    with pytest.raises(BROKEN) as caught:
        mutant.broken(sql, another_sql, *mutant.given)
    assert (getattr(caught.value, "sqlstate", None) or "")[:2] != "42", f"the mutant is no valid SQL: {caught.value}"
