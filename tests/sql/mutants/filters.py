"""Rules of filters and lists: what is refused, where jobs are looked for, how far, and where the next page begins."""

from .. import test_check_filter as check
from .. import test_list_jobs as listing
from .. import test_matching_ids as matching
from .mutant import Mutant

READY = ({"state": "ready"}, None)
SCHEDULED = ({"state": "scheduled"}, None)

MUTANTS = [
    Mutant("any field is a filter", "check_filter", r"perform invalid\('filter', key.*?;", "",
           check.test_what_is_invalid_is_refused_by_name, ({"quue": "mail"}, "filter", "quue"), sqlstate="42703"),
    Mutant("a span stays a span", "checked_time", r"clock_timestamp\(\) \+ text::interval", "'2026-01-01Z'::timestamptz",
           check.test_a_span_becomes_a_time_from_now_on_the_clock_of_the_database, ("postgres", "-2 hours", None)),
    Mutant("a term is left out", "filter_terms", r"args @> \(\$1\)\.args", "true",
           matching.test_a_filter_finds_its_jobs_wherever_they_are, ({"args": {"customer": 5}}, "succeeded failed ready")),
    Mutant("a state is left out", "filter_terms", r"state = any \(\(\$1\)\.states\)", "true",
           matching.test_a_filter_finds_its_jobs_wherever_they_are, ({"state": "ready"}, "ready first")),
    Mutant("a pattern matches more than it says", "likes_of", r"regexp_replace\(name, .*?, 'g'\)", "name",
           matching.test_a_backslash_or_a_percent_sign_in_a_pattern_is_itself),
    Mutant("dead letters are no jobs", "filter_places", r"'dead_letter' end", "null end",
           matching.test_a_filter_finds_its_jobs_wherever_they_are, ({"queue": ["dead", "done"]}, "succeeded failed")),
    Mutant("all tables are looked into", "filter_places", r"coalesce\(filter->'state' \?[^,]*, true\)", "true",
           listing.test_states_that_live_in_one_table_look_into_that_one_only),
    Mutant("a chunk looks at everything", "find_ids", r":= 20000", ":= 2000000",
           matching.test_a_call_looks_at_20_000_jobs_and_says_so),
    Mutant("a chunk says that it has seen what it has not", "find_ids",
           r"cardinality\(ids\) < most and coalesce", "coalesce",
           matching.test_each_chunk_goes_on_where_the_last_one_stopped, ({},)),
    Mutant("a chunk goes beyond the last id", "ids_in", r" and id <= \$3", "",
           matching.test_each_chunk_goes_on_where_the_last_one_stopped, ({},)),
    Mutant("a page looks at everything", "list_jobs", r" and looked < look", "",
           listing.test_a_page_looks_at_100_000_jobs_and_says_where_it_stopped),
    Mutant("a page begins with the last job", "ranges_of", r"id < \(\$2\)\.id", "id <= ($2).id",
           listing.test_pages_of_any_size_make_one_list_in_which_each_job_is_once, ({}, None)),
    Mutant("a page leaves out what is due at the same time", "ranges_of",
           r"else array\['\(run_at, id\) > \(\(\$2\)\.at, \(\$2\)\.id\)", "else array['run_at > ($2).at",
           listing.test_pages_of_any_size_make_one_list_in_which_each_job_is_once, SCHEDULED),
    Mutant("a page ends with its priority", "ranges_of", r"'queue = \(\$2\)\.queue and priority < \(\$2\)\.priority', ", "",
           listing.test_pages_of_any_size_make_one_list_in_which_each_job_is_once, READY),
    Mutant("a page ends with its queue", "ranges_of", r", 'queue > \(\$2\)\.queue'", "",
           listing.test_pages_of_any_size_make_one_list_in_which_each_job_is_once, READY),
    Mutant("a page ends with its lane", "ranges_of", r", 'lane_id > \(\$2\)\.lane_id'", "",
           listing.test_pages_of_any_size_make_one_list_in_which_each_job_is_once, READY),
    Mutant("a list ends before the jobs with limits", "walks_of", r"\{plain,limited,suspect\}", "{plain,suspect}",
           listing.test_pages_of_any_size_make_one_list_in_which_each_job_is_once, READY),
    Mutant("a list ends before the suspects", "walks_of", r"\{plain,limited,suspect\}", "{plain,limited}",
           listing.test_pages_of_any_size_make_one_list_in_which_each_job_is_once, READY),
    Mutant("the time of the end is not looked at", "bounds_of", r"'finished_at >= \(\$1\)\.finished_after'", "'true'",
           listing.test_a_span_of_time_ends_the_look),
    Mutant("a count has no end", "count_jobs", r"most - looked", "1000000",
           listing.test_a_count_looks_at_so_many_jobs_and_no_more),
]  # fmt: skip
