"""Rules of limits: rates, places and several keys."""

from .. import limit_places as places
from .. import limit_rates as rates
from .. import limit_turns as turns
from .. import limit_waits as waits
from .. import test_set_limit as changes
from .mutant import DROP, SKIP, Mutant

FREE = "perform free_keys" + DROP
FIRST_KEY = [(r"in array lane\.keys loop", "in array lane.keys[:1] loop")]
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
           rates.a_key_that_another_claimer_has_stops_the_job_and_costs_nothing, sqlstate="22004"),
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
    Mutant("jobs do not know that they hold places", "claim", r",\s+holds_place = l\.place", "",
           places.no_more_run_than_there_are_places),
    Mutant("old claims hold no places", "pay", r"oldest_claim = least\(s\.oldest, held\.at\)", "oldest_claim = held.at",
           places.no_more_run_than_there_are_places),
    Mutant("places of ended jobs are not freed", "finish_ended", FREE, "null;", places.places_come_back),
    Mutant("places of plain batches are not freed", "finish_plain", FREE, "null;", places.places_come_back),
    Mutant("places of failed jobs are not freed", "finish_batch", FREE, "null;", places.places_come_back),
    Mutant("places of rescued jobs are not freed", "rescue_job", FREE, "null;", places.places_come_back),
]  # fmt: skip
