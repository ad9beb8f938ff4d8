"""Rules of limits: costs, queues, parking, changes, keys."""

from collections.abc import Callable
from typing import Any

from .. import limit_costs as costs
from .. import limit_rates as rates
from .. import limit_savings as savings
from .. import limit_turns as turns
from .. import test_declare_limit as declare
from .. import test_delete_limit as delete
from .. import test_limit_keys as keys
from .. import test_limit_moves as moves
from .. import test_park as park
from .. import test_reset_limit as reset
from .. import test_retry_blocking as blocking
from .. import test_set_limit as changes
from .. import test_unpark as unpark
from ..conftest import Sql
from ..limit_steps import set_limit
from .mutant import DROP, Mutant

OPEN = "perform open_limit" + DROP
NO_CAPS = [(r"least\(1000000, weights", "greatest(0, weights"), (r"least\(quota, 1000000\)", "quota")]


def tenant(test: Callable[..., None]) -> Callable[..., None]:
    """A test of keys, with the limits that it needs."""

    def prepared(sql: Sql, *given: Any) -> None:
        for name in ("tenant", "openai", "task:send"):
            set_limit(sql, name, max_running=1)
        test(sql, *given)

    return prepared


MUTANTS = [
    # costs
    Mutant("nothing is saved", "claim_lanes", r"held := save_tokens" + DROP, "null;",
           costs.a_costly_job_starts_beside_cheap_ones),
    Mutant("one key saves", "save_tokens",
           r"continue when held\.rates\[p\] is null", "continue when i > 1 or held.rates[p] is null",
           savings.a_costly_job_with_several_limits_starts_beside_cheap_ones_of_each),
    Mutant("keys are taken out of their order", "save_tokens", r"may := may and .*?;",
           "may := held.saved_for[p] is null or held.saved_for[p] = lane.lane_id;", savings.a_lane_takes_its_keys_in_their_order),
    Mutant("a lane takes what is saved for another", "save_tokens", r"or may and has_room\)", "or has_room)",
           savings.costly_jobs_that_want_each_other_s_keys_all_start, tries=5),
    Mutant("fast keys save as long as slow ones", "kept_at", r"its\.tokens - per_second[^;]*?::float8\)\)", "its.tokens)",
           savings.until_a_slow_key_has_enough_the_fast_ones_go_on),
    Mutant("a lane waits for tokens before it waits for a place", "claim_lanes",
           r"shut is null or held\.places\[shut\].*? then p", "shut is null then p",
           savings.a_lane_that_lacks_a_place_and_tokens_waits_for_the_place),
    Mutant("nothing is kept while a place is missing", "save_tokens", r"else interval '10 min'", "else interval '-1 h'",
           savings.what_was_saved_is_kept_while_a_place_is_missing),
    Mutant("keys that save are polled", "opening_of", r"case when held\.saved_for\[p\] is not null\s+and", "case when false and",
           savings.a_key_that_saves_for_hours_is_not_asked_all_the_time),
    *(Mutant(f"sweeping does not see that savings are void: {way}", "sweep_keys",
             r"and not is_saving\([^)]*\)[^)]*\)", "and false", savings.a_key_does_not_stay_shut_for_a_job_that_is_gone, (way,))
      for way in ("cancelled", "postponed", "overtaken", "another key parked")),
    Mutant("savings are never void", "lock_buckets", r"if is_saving\([^;]*? then", "if true then",
           savings.a_key_does_not_stay_shut_for_a_job_that_is_gone, ("cancelled",)),
    Mutant("what is saved is kept", "is_saving", r"and its\.until > at", "",
           costs.a_lane_that_is_saved_for_in_vain_holds_up_nobody_for_long),
    Mutant("weights have no end", "lane_quotas", NO_CAPS, "",
           costs.a_job_of_the_highest_cost_and_keys_of_the_highest_weight_stop_nobody, sqlstate="22003"),
    Mutant("costs have no end", "check_limits", r"not between 1 and 1000000", "< 1",
           tenant(keys.test_limits_that_make_no_sense_are_refused_by_name),
           ({"limits": ["openai"], "cost": 1000001}, "cost", "1000001", "use a whole number from 1 to 1000000")),
    # what comes back
    Mutant("all comes back, however late", "refund", r"- d\.per_second \* extract\(epoch from[^;]*?::float8 as tokens",
           "- 0::float8 as tokens", rates.what_comes_back_late_is_less),
    Mutant("it comes back twice", "refund", r"select distinct \*", "select *", rates.tokens_come_back_once),
    Mutant("a changed limit gives back", "refund", r"between d\.changed_at and", "<=",
           rates.a_limit_that_was_changed_gives_nothing_back),
    Mutant("what was cut off gives back", "refund", r"and \(control \? 'interrupted'\) is not true", "",
           rates.nothing_comes_back_for_a_handler_that_had_begun),
    Mutant("nobody looks at what came back", "refund", r"insert into turn" + DROP, "null;",
           rates.lanes_that_wait_for_tokens_that_come_back_are_looked_at),
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
    Mutant("a retry opens no key", "run_again", r"end_blocking\(job_id\)", "false", blocking.test_it_runs_now, sqlstate="PQ004"),
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
           park.test_a_fair_key_without_a_limit_can_be_parked_before_its_first_claim, sqlstate="PQ001"),
    Mutant("unparking opens nothing", "unpark", OPEN, "", unpark.test_what_waited_starts_at_once),
    Mutant("anything can be parked", "park_from_job", r"perform assert_limit" + DROP, "",
           park.test_an_unknown_key_or_no_time_is_refused, ("'nobody', now()", "key", "there is no such limit")),
    # changes
    Mutant("a changed limit opens nothing", "change_limit", OPEN, "",
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
    Mutant("the code always wins", "declare_limit", [
               ("if exists", "if false and exists"), ("if old.declared = definition", "if false"),
               ("is_new or", "true or")], "",
           declare.test_the_same_again_changes_nothing_and_leaves_what_people_have_set),
    Mutant("what is new always wins", "declare_limit", "is_new or", "true or",
           declare.test_something_else_than_last_time_leaves_what_people_have_set, (True,)),
    Mutant("what people have made is the code's", "declare_limit", "is_new or", "old.declared is null or",
           declare.test_something_else_than_last_time_leaves_what_people_have_set, (False,)),
    Mutant("workers declare at once", "declare_limit", "if old.declared = definition", "if false",
           declare.test_workers_that_start_together_declare_it_once),
    Mutant("a change makes a limit", "set_limit", r"if must_exist and before is null", "if false",
           changes.test_one_that_must_exist_is_changed_and_never_made),
    # keys
    Mutant("unknown limits are taken", "check_limits", r"not exists \(select from limit_def",
           "false and not exists (select from limit_def",
           tenant(keys.test_limits_that_make_no_sense_are_refused_by_name),
           ({"limits": ["openai", "nobody"]}, "limits", "nobody", "there is no such limit")),
    Mutant("declared limits are looked for", "check_limits",
           r"key <> all \(coalesce\(given\.declared, '\{\}'\)\)", "true",
           tenant(keys.test_limits_that_the_workers_declare_are_not_looked_for_but_must_be_keys_all_the_same), sqlstate="PQ001"),
    Mutant("lanes of all queues are one", "lane_of", r"queue \|\| E'\\n' \|\| keys", "keys",
           tenant(keys.test_the_same_keys_in_any_order_are_one_lane_and_other_keys_or_queues_are_others)),
    Mutant("a missing argument is nothing", "limit_key", r"if value is null then.*?end if;", "value := coalesce(value, '-');",
           tenant(keys.test_limits_that_make_no_sense_are_refused_by_name),
           ({"limits": ["tenant:{nope}"]}, "limits", "tenant:{nope}", "the arguments have no")),
    Mutant("braces in values are names", "limit_key", r"key := key \|\| left\(rest, start - 1\) \|\| value;",
           "key := key || left(rest, start - 1) || translate(value, '{}', '');", tenant(keys.test_no_two_values_are_one_key),
           sqlstate="PQ001"),
    Mutant("a filled key is not looked at", "limit_key", r"perform check_limit_key" + DROP, "",
           tenant(keys.test_limits_that_make_no_sense_are_refused_by_name),
           ({"limits": ["tenant:{empty}"], "args": {"empty": ""}}, "limits", "tenant:", "use a name of letters")),
]  # fmt: skip
