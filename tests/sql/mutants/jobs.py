"""Rules of single jobs: who may end one, who waits for whom, keys, times."""

from .. import guarantees, time_guarantees
from .mutant import SKIP, Mutant

TOKEN = r"\s+and j\.claim_token = o\.token(?=\s+for update)"
JOBS = "insert_each"

MUTANTS = [
    Mutant("no token when a job ends", "finish_ended", TOKEN, "", guarantees.stale_owner_cannot_finish),
    Mutant("no token when a job fails", "finish_unended", TOKEN, "", guarantees.stale_owner_cannot_finish),
    Mutant("no token in give_back", "give_back", r"\s+and j\.claim_token = token", "", guarantees.stale_owner_cannot_give_back),
    Mutant("ending jobs wait for locks", "finish_ended", SKIP, "", guarantees.one_locked_job_stalls_only_itself),
    Mutant("failing jobs wait for locks", "finish_unended", SKIP, "", guarantees.one_locked_job_stalls_only_itself_when_all_fail),
    Mutant("claims wait for claims", "claim", SKIP, "", guarantees.two_claimers_share_the_jobs),
    Mutant("claims take no locks", "claim", r"for no key update skip locked", "", guarantees.two_claimers_share_the_jobs),
    Mutant("cursor claims wait", "claim", SKIP, "", guarantees.two_claimers_share_the_jobs_of_a_cursor),
    Mutant("claims of suspects wait", "pick_suspect", SKIP, "", guarantees.two_claimers_share_the_suspects),
    Mutant("several suspects at once", "pick_suspect", r"limit 1", "", guarantees.two_claimers_share_the_suspects),
    Mutant("a suspect beside a suspect", "pick_suspect", r" or runs_one", "", guarantees.two_claimers_share_the_suspects),
    Mutant("small priorities first", "claim", r"priority desc", "priority", guarantees.jobs_start_by_priority),
    Mutant("lost workers claim", "assert_active", r" and w\.state = 'active'", "", guarantees.a_lost_worker_claims_nothing),
    Mutant("promotes wait for promotes", "promote", SKIP, "", guarantees.two_promoters_share_the_jobs),
    Mutant("promote is early", "promote", r" and run_at <= \(select clock_timestamp\(\)\)", "", guarantees.a_promoted_job_is_due),
    Mutant("rescues wait for rescues", "rescue_job", SKIP, "", guarantees.two_rescuers_rescue_once),
    Mutant("one job stops a rescue", "rescue", r"when others then raise warning[^;]*;", "",
           guarantees.a_rescue_that_raises_stays_alone),
    Mutant("a claim keeps the key of until_started", "claim", r"case when j\.unique_mode in [^\n]* end(?=\n)", "j.unique_key",
           guarantees.a_claim_frees_the_key),
    Mutant("a claim frees every key", "claim", r"case when j\.unique_mode in [^\n]* end(?=\n)", "null",
           guarantees.a_running_job_keeps_its_key),
    Mutant("replace ignores the state", "insert_unique", r" and state in \('scheduled', 'ready'\)", "",
           guarantees.replace_leaves_a_running_job_alone),
    Mutant("a duplicate raises", "insert_unique", r"on conflict [^\n]* do nothing", "", guarantees.a_duplicate_never_raises),
    Mutant("a retried duplicate raises", "run_again", r"on conflict [^\n]* do nothing", "", guarantees.a_duplicate_never_raises),
    Mutant("keys of jobs in any order", JOBS, r"order by digest nulls first, [^\n]*", "order by place",
           guarantees.enqueue_many_takes_keys_in_order),
    Mutant("keys of jobs without arguments in any order", JOBS, r"coalesce\(args, '{}'\)(?=, unique_key)", "args",
           guarantees.enqueue_many_takes_keys_of_jobs_without_arguments_in_order),
    Mutant("keys of rows in any order", "enqueue_select", r"order by unique_digest\([^\n]*?\)(?=\))", "",
           guarantees.enqueue_select_takes_keys_in_order),
    Mutant("any delay is stored", "delay_of", r"perform invalid\('delay'.*?\)\);", "null;",
           time_guarantees.a_delay_beyond_the_calendar_is_refused),
    Mutant("linear waits leave the calendar", "retry_delay", r"least\(wait, cap, 1e9\)", "least(wait, cap)",
           time_guarantees.a_linear_wait_ends_within_the_calendar),
    Mutant("results are kept for ever", "check_interval", r"not fits\(value, most::interval\)", "value < interval '0'",
           time_guarantees.a_result_is_not_kept_beyond_the_calendar),
    Mutant("pruning waits", "prune", SKIP, "", guarantees.pruning_leaves_a_key_that_is_taken_again),
    Mutant("pruning takes no locks", "prune", r"for update skip locked", "", guarantees.pruning_leaves_a_key_that_is_taken_again),
]  # fmt: skip
