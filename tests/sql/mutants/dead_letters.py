"""Rules of dead letters: what they have in common, how they come back, who is told of them."""

from .. import test_crossed_dead_letters as crossed
from .. import test_discard as discard
from .. import test_error_identity as identity
from .. import test_prune_dead as prune
from .. import test_retry as numbers
from .. import test_retry_options as retry
from .mutant import DROP, SKIP, Mutant

MUTANTS = [
    # fingerprints
    Mutant("numbers count", "message_shape", r"\|\[\[:alnum:\]_-\]\*\[0-9\].*?(?=', '\?', 'g'\))", "",
           identity.test_what_differs_from_one_failure_to_the_next_does_not_count, (identity.SAME["another id"],)),
    Mutant("lines count", "frames_of", r"split_part\(line, ', in ', -1\)", "line",
           identity.test_what_differs_from_one_failure_to_the_next_does_not_count, (identity.SAME["moved lines"],)),
    Mutant("directories count", "frames_of", r"split_part\(replace\(.*?-1\)", "path",
           identity.test_what_differs_from_one_failure_to_the_next_does_not_count, (identity.SAME["another directory"],)),
    Mutant("frames of the worker count", "frames_of", r"path !~ E'[^']*'", "true",
           identity.test_what_differs_from_one_failure_to_the_next_does_not_count, (identity.SAME["frames of ours"],)),
    Mutant("frames do not count", "error_identity", r"case when cause is null.*? end", "''",
           identity.test_another_kind_of_failure_has_another_fingerprint, (identity.OTHER["another file"],)),
    Mutant("the whole counts in place of the cause", "error_identity", r"coalesce\(cause, error\)", "error",
           identity.test_it_is_the_innermost_cause_that_counts_and_the_type_of_the_whole),
    Mutant("causes of any size are kept", "cut_cause", r"left\(cause->>'message', 1000\)", "cause->>'message'",
           identity.test_what_is_kept_of_a_cause_is_bounded),
    # retry
    Mutant("it comes back for ever", "hold_dead", "retried >= 3", "false",
           retry.test_who_comes_back_is_counted_and_after_three_times_it_has_to_be_forced),
    Mutant("nobody counts who comes back", "control_of_retry", r"\|\| jsonb_build_object[^$]*", "",
           retry.test_who_comes_back_is_counted_and_after_three_times_it_has_to_be_forced),
    Mutant("force does not help", "hold_dead", "and not force", "",
           retry.test_who_comes_back_is_counted_and_after_three_times_it_has_to_be_forced, sqlstate="PQ004"),
    Mutant("a cancelled job stays asked to end", "control_of_retry", r"cancel,", "",
           retry.test_what_was_asked_of_its_last_life_is_forgotten_and_signals_are_kept),
    Mutant("keys do not follow the arguments", "changed_key", r"unique_digest\(task, new_args, null\)", "unique_key",
           retry.test_a_key_made_of_all_the_arguments_follows_them_and_one_that_was_given_stays, (None,)),
    Mutant("keys that were given follow", "changed_key", r"and unique_key = unique_digest\(task, args, null\)", "",
           retry.test_a_key_made_of_all_the_arguments_follows_them_and_one_that_was_given_stays, ("mail",)),
    Mutant("rules of others are taken", "changes_of_retry", r"rules \? task", "rules is not null",
           retry.test_a_job_takes_the_rules_of_its_task_if_they_are_given, ("another",), sqlstate="23502"),
    Mutant("attempts always begin again", "run_again", r"case when keep_attempts then least\(attempt, 32766\) else 0 end", "0",
           retry.test_its_attempts_are_over_or_begin_again, (True,)),
    Mutant("attempts of the first life count only", "terms_after", r"attempt_number\(attempt, terms\)", "attempt",
           numbers.test_attempts_are_numbered_once_however_often_a_job_comes_back),
    Mutant("a claim tells attempts since the retry", "claim", r"attempt_number\(j\.attempt, j\.terms\)", "j.attempt",
           numbers.test_attempts_are_numbered_once_however_often_a_job_comes_back),
    Mutant("errors have attempts since the retry", "finish_unended", r"attempt_number\(attempt, terms\)", "attempt",
           numbers.test_attempts_are_numbered_once_however_often_a_job_comes_back),
    Mutant("waits go on where they were", "finish_unended", r"retry_delay\(retry, attempt\)",
           "retry_delay(retry, attempt_number(attempt, terms))",
           numbers.test_the_policy_of_the_retries_begins_again_with_a_retry_by_hand),
    Mutant("arguments are not looked at", "retry_job", r"check_args\(args\)", "args",
           retry.test_an_invalid_value_is_refused_by_name_and_the_dead_letter_stays, ({"args": "[]"}, "args"), sqlstate="23514"),
    Mutant("they run in any order", "run_again", r"'run_at', due, 'claimed_at'",
           "'run_at', due, 'priority', floor(random() * 9), 'claimed_at'", retry.in_order_one_at_a_time),
    # discard
    Mutant("who discards is forgotten", "discard_job", r"check_by\(by\)", "session_user",
           discard.test_it_is_gone_and_who_did_it_and_why_is_kept),
    Mutant("nobody says that it was discarded", "assert_known", r"if found and tells then", "if false then",
           discard.test_every_verb_of_operators_says_of_a_discarded_job_who_did_it_and_why),
    Mutant("a producer is told why a job was discarded", "signal", r"tells => false", "tells => true",
           discard.test_a_producer_that_signals_is_not_told_who_has_discarded_a_job),
    Mutant("what was discarded stays in mind", "prune", r"delete from discard_log" + DROP, "",
           discard.test_what_is_kept_of_it_goes_with_the_history),
    Mutant("letters go while their workflow is open", "prune_dead", r"and not exists \(select from workflow[^)]*\)", "",
           prune.test_a_node_stays_until_its_workflow_is_over),
    Mutant("pruning waits for a retry", "prune_dead", SKIP, "", prune.nobody_waits_for_one_that_is_retried),
    Mutant("queues keep what all keep", "prune_dead", r"coalesce\(q\.dead_days, keep_days\)", "keep_days",
           prune.test_a_queue_keeps_its_own_for_longer_or_shorter, (30,)),
    Mutant("only the first queue is pruned", "prune_dead", r"union all.*?is not null", "",
           prune.test_those_that_are_older_go_whatever_their_queue),
    # alerts
    Mutant("everybody is told", "crossed_dead_letters", r"where not a\.is_over", "",
           crossed.test_of_two_that_look_at_once_one_is_told, (True,)),
    Mutant("it is told at each change", "crossed_dead_letters", "counted <= low and", "counted < threshold and",
           crossed.a_crossing_is_told_once),
    Mutant("it is told only once", "crossed_dead_letters", "set is_over = false", "set is_over = true",
           crossed.a_crossing_is_told_once),
]  # fmt: skip
