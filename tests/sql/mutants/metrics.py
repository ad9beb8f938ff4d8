"""Rules of figures: what is counted, and that it is counted once."""

from .. import test_metric_series as series
from .. import test_metrics as metrics
from .. import test_roll_up as roll_up
from .mutant import Mutant

NOTE = r"perform note_unkept\(lost\);"
GONE = r"perform note_gone\(ends\);"
UNKEPT = roll_up.a_queue_without_history_is_counted
HAS_GONE = roll_up.a_dead_letter_that_has_gone_has_failed
LATE = roll_up.what_is_committed_late_is_counted

MUTANTS = [
    Mutant("ends without history are lost", "finish_ended", NOTE, "null;", UNKEPT, (roll_up.has_ended,)),
    Mutant("ends of plain batches without history are lost", "finish_plain", NOTE, "null;", UNKEPT, (roll_up.has_ended,)),
    Mutant("cancels without history are lost", "cancel_held", NOTE, "null;", UNKEPT, (roll_up.is_cancelled_while_it_waits,)),
    Mutant("expired jobs without history are lost", "end_waiting", NOTE, "null;", UNKEPT, (roll_up.has_expired,)),
    Mutant("dropped jobs without history are lost", "drop_oldest", NOTE, "null;", UNKEPT, (roll_up.is_dropped,)),
    Mutant("stopped jobs without history are lost", "finish_unended", r"insert into unkept_end\s+select u\.\*",
           "select u.*", UNKEPT, (roll_up.is_cancelled_instead_of_a_retry,)),
    Mutant("a retried dead letter has not failed", "run_again", GONE, "null;", HAS_GONE, (roll_up.is_retried,)),
    Mutant("a discarded dead letter has not failed", "discard_job", GONE, "null;", HAS_GONE, (roll_up.is_discarded,)),
    Mutant("a pruned dead letter has not failed", "prune_dead", GONE, "null;", HAS_GONE, (roll_up.is_pruned,)),
    Mutant("a skipped node was not cancelled", "restore_skipped", GONE, "null;",
           roll_up.a_skipped_node_that_waits_again_was_cancelled),
    Mutant("attempts count twice", "run_again", r"\|\| case when keep_attempts then jsonb_build_object[^|]*? end", "",
           roll_up.attempts_count_once),
    Mutant("attempts of an earlier life stay counted", "control_of_retry", ",counted", "", roll_up.attempts_count_once),
    Mutant("late in the day", "close_day", r"if check_minute\(next\) then", "if false then", LATE, (roll_up.LATE[1],)),
    Mutant("the hour of what was late stays", "close_day", r"perform roll_up_hour\([^;]*;", "null;", LATE, (roll_up.LATE[1],)),
    Mutant("what was deleted by hand is forgotten", "check_minute", "ended > counted", "ended <> counted",
           roll_up.rows_deleted_by_hand_stay_counted),
    Mutant("a clock that was ahead", "begun", r"or its\.minute_at > closed", "", roll_up.a_clock_that_was_set_back_stops_nothing),
    Mutant("an old day is counted anew", "begun", r"date_bin\('1 day', began, '2000-01-01Z'\) end",
           "least(its.minute_at, next_end('-infinity')) end", roll_up.a_clock_that_was_set_back_changes_no_old_day),
    Mutant("days by the time zone of a session", "roll_up_to", r'SET "TimeZone" TO .UTC.', "",
           roll_up.days_begin_at_midnight_in_utc),
    Mutant("steps by the time zone of a session", "metric_series", r'SET "TimeZone" TO .UTC.', "", series.days_have_24_hours),
    Mutant("a second call waits", "roll_up_to", r"skip locked", "", roll_up.nobody_waits_for_it, (), "55P03"),
    Mutant("a day is dropped before it is counted", "is_rolled_up", r"perform roll_up\(\);", "return true;",
           roll_up.a_day_is_rolled_up_before_it_is_dropped),
    Mutant("days overlap with their hours", "metric_rows", r"'hour', from_, days_from", "'hour', from_, days_to",
           metrics.what_is_read_from_hours_and_days_is_the_same),
    Mutant("a percentile is the one below", "metric_figures", r"up_to >= 0\.95", "up_to >= 0.9",
           metrics.percentiles_are_within_their_bucket),
]  # fmt: skip
