"""Rules of pools: their verbs, and what is said of them."""

from .. import test_delete_pool as deleting
from .. import test_make_pool as making
from .. import test_pool_views as views
from .mutant import DROP, Mutant

MUTANTS = [
    Mutant("a number outside of the bounds is wanted", "check_wanted", r"is not true then", "is null then",
           making.test_a_number_outside_of_the_bounds_is_refused, ({"wanted": 51}, "wanted: '51' is not valid")),
    Mutant("a step leaves the bounds", "scale_pool", r"perform check_wanted\('change'" + DROP, "",
           making.test_a_number_outside_of_the_bounds_is_refused, ({"change": 50}, "change: '+50' is not valid")),
    Mutant("wanted stays outside of new bounds", "set_pool", r"least\(greatest\(old\.wanted, new\.minimum\), new\.maximum\)",
           "old.wanted", making.test_wanted_follows_new_bounds, (), "PQ001"),
    Mutant("workers go on as they were started", "save_pool", r"old\.generation \+ rolls::int", "old.generation",
           making.test_workers_are_replaced_when_they_would_run_otherwise, ({"concurrency": 7},)),
    Mutant("a roll changes nothing", "roll_pool", r"new\.generation \+ 1", "new.generation",
           making.test_a_roll_raises_the_generation),
    Mutant("any text is an app", "check_pool_app", r"if .* then", "if false then",
           making.test_what_no_agent_could_run_is_refused, ({"app": "os:system; x"}, "app: ")),
    Mutant("nobody knows the queues of a pool without workers", "check_pool", r"its\.minimum = 0 and", "false and",
           making.test_what_no_agent_could_run_is_refused, ({"minimum": 0}, "minimum: '0' is not valid")),
    Mutant("agents hear nothing of a change", "tell_agents", r"wake\([^)]*\)", "null",
           making.test_agents_are_told_of_each_change),
    Mutant("a pool goes before its workers", "end_pool", r"a\.heartbeat_at \+ a\.lease >= clock_timestamp\(\)", "false",
           deleting.test_a_pool_waits_for_the_workers_of_agents_that_are_alive),
    Mutant("a pool waits for the dead", "end_pool", r"a\.heartbeat_at \+ a\.lease >= clock_timestamp\(\)", "true",
           deleting.test_a_pool_does_not_wait_for_agents_whose_lease_is_over),
    Mutant("a pool that is being deleted is changed", "hold_lasting_pool", r"if its\.deleting then", "if false then",
           deleting.test_a_pool_that_is_being_deleted_can_be_hurried_and_no_more_changed),
    Mutant("a deleted pool stays when its agents die", "prune_pools", r"perform end_pool\(name\).*?skip locked\) p;", "",
           views.test_what_is_old_is_pruned_with_the_history_and_a_deleted_pool_goes_when_its_agents_have_died),
    Mutant("a paused pool wants workers", "sample_pools", r"case when p\.state in .*? end", "p.wanted",
           views.test_a_sample_is_taken_once_a_minute_whoever_calls),
]  # fmt: skip
