"""Rules of schedules: the compare, the clock, the record of each tick, overlap, changes."""

from .. import test_backfill_schedule as backfill
from .. import test_declare_schedule as declare
from .. import test_due_schedules as due
from .. import test_fire_schedules as firing
from .. import test_jitter_of as jitter
from .. import test_missed_ticks as missed
from .. import test_overlap as overlap
from .. import test_pause_schedule as pause
from .. import test_set_schedule as changes
from .. import test_trigger_schedule as trigger
from .mutant import SKIP, Mutant

NEXT = r"\s+and s\.next_tick is not distinct from f\.next_tick"
AFTER = r" and s\.after_at = f\.after_at"

MUTANTS = [
    # firing
    Mutant("a tick fires without the compare", "fire_schedules", NEXT + AFTER, "",
           firing.what_another_worker_has_seen_earlier_counts_no_more),
    Mutant("only the next tick is compared", "fire_schedules", AFTER, "",
           firing.test_a_schedule_that_was_changed_since_it_was_seen_is_left_alone),
    Mutant("paused schedules fire", "fire_schedules", r" and s\.paused_at is null", "",
           pause.test_a_paused_schedule_is_not_looked_at_and_does_not_fire),
    Mutant("firing waits for firing", "fire_schedules", SKIP, "", firing.workers_share_the_schedules),
    Mutant("firing takes no locks", "fire_schedules", r"\s+for no key update skip locked", "",
           firing.workers_share_the_schedules),
    Mutant("one lock stops all", "fire_schedules", r"when lock_not_available [^;]*;",
           "when sqlstate 'PQ999' then null;", firing.one_that_waits_for_a_lock_holds_up_no_other, sqlstate="55P03"),
    Mutant("one error stops all", "fire_schedules", r"when others then\s+update.*?;", "",
           firing.one_that_cannot_be_decided_holds_up_no_other, sqlstate="22003"),
    Mutant("one enqueue stops all", "try_job", r"when others then.*?;", "when sqlstate 'PQ999' then null;",
           firing.one_that_cannot_enqueue_holds_up_no_other, sqlstate="PQ001"),
    Mutant("a full disk is the schedule's fault", "try_job", r"or insufficient_resources ", "",
           firing.test_an_error_that_is_not_the_schedules_decides_nothing),
    Mutant("the worker says what is due", "fire_one", r"if at < any \(ticks\) then", "if false then",
           firing.a_tick_of_the_future_does_not_fire),
    Mutant("the worker says which ticks there are", "due_ticks", r"then seen\.next_tick end", "then null::timestamptz end",
           firing.a_worker_that_computes_other_ticks_fires_the_stored_one),
    Mutant("ticks of before the stored one fire", "due_ticks", r"tick >= coalesce\(seen\.next_tick, tick\) and", "",
           firing.a_worker_that_computes_other_ticks_fires_the_stored_one),
    Mutant("the next tick may be any", "advance", r"elsif next <= last then", "elsif false then",
           firing.test_a_next_tick_that_is_not_later_is_an_error_and_no_loop),
    Mutant("the record of a tick is not looked at", "fire_one", r"exists \(select from schedule_tick [^)]*\)", "false",
           missed.test_what_is_on_record_already_stays),
    Mutant("special schedules fire together", "fire_together", r" and not s\.definition \? 'overlap'", "",
           overlap.test_skip_leaves_a_tick_out_while_the_job_before_is_there, ("ready",)),
    Mutant("unique jobs are plain", "is_plain", r"unique_mode,unique_key,", "",
           firing.test_a_duplicate_is_skipped_and_names_the_job_in_its_way),
    # missed ticks
    Mutant("the window has no end", "plan_ticks", r"is_kept and counts = 1 and", "counts = 1 and",
           missed.test_when_all_are_outside_of_the_window_there_is_no_job, sqlstate="23502"),
    Mutant("no tick is on time", "plan_ticks", r" or tick >= at - interval '60 s' and tick = max\(tick\) over \(\)", "",
           missed.test_a_tick_that_is_on_time_fires_however_short_the_window_is, ("coalesce",)),
    Mutant("a late tick is made up for", "plan_ticks", r" and tick >= at - interval '60 s'", "",
           missed.test_skip_makes_a_job_for_the_last_one_unless_that_is_late),
    Mutant("caught up without spaces", "plan_ticks", r"at \+ nth \* make_interval\([^)]*\)", "at",
           missed.test_catch_up_makes_the_last_ones_oldest_first_and_spaced),
    Mutant("a job stands for one tick", "plan_ticks", r"case when fires and misfire = 'coalesce' then kept else counts end",
           "counts", missed.test_they_are_coalesced_into_one_job_for_the_last),
    # overlap
    Mutant("the guard does not end", "is_live", r"select exists \([^;]*\)\n", "select job_id is not null\n",
           overlap.test_the_guard_ends_with_the_job_however_that_ends, ("succeeded",)),
    Mutant("a tick that waits fires at once", "fire_one", r" and not is_live\(its\.last_job_id\)", "",
           overlap.test_buffer_one_keeps_one_tick_until_the_job_before_has_ended),
    Mutant("any number of ticks wait", "decide_tick", r" and its\.buffered_tick is null", "",
           overlap.test_buffer_one_keeps_one_tick_until_the_job_before_has_ended),
    Mutant("nobody looks at a tick that waits", "advance", r"case when its\.buffered_tick is not null then [^)]*? end", "null",
           overlap.test_buffer_one_keeps_one_tick_until_the_job_before_has_ended),
    # changes
    Mutant("a new one takes the place of another", "set_schedule", r"if expected = 'new' and old\.name is not null", "if false",
           changes.test_one_that_must_be_new_changes_none_and_one_that_must_exist_makes_none),
    Mutant("a change makes one", "set_schedule", r"if expected = 'existing'", "if false",
           changes.test_one_that_must_be_new_changes_none_and_one_that_must_exist_makes_none),
    Mutant("a change leaves the next tick", "save_schedule", r"next_tick = case when not retimed then next_tick end",
           "next_tick = next_tick", changes.test_a_change_of_its_times_fires_nothing_and_forgets_ticks_of_before,
           ({"every": 60},)),
    Mutant("a change starts in the past", "save_schedule", r"after_at = case when retimed then at else after_at end",
           "after_at = after_at", changes.test_a_change_of_its_times_fires_nothing_and_forgets_ticks_of_before,
           ({"every": 60},)),
    Mutant("a change leaves the tick that waits", "save_schedule", r"case when not retimed then buffered_(tick|for) end",
           r"buffered_\1", overlap.test_a_buffered_tick_is_skipped_when_the_times_change_or_the_schedule_goes,
           ("set", "changed")),
    Mutant("any change forgets the next tick", "schedule_timing", r"misfire,most,spacing,window,overlap,jitter,job", "misfire",
           changes.test_other_changes_leave_the_next_tick_as_it_is),
    Mutant("a change ends a pause", "save_schedule", r"retimed and paused_at is null then at", "retimed then at",
           changes.test_a_paused_one_stays_paused_when_it_is_changed),
    Mutant("code takes everything over", "declare_schedule",
           [(r"coalesce\(old\.declared, '\{\}'\)", "'{}'"), (r"theirs := [^;]*;", "theirs := '{}';")], "",
           declare.test_only_fields_that_code_declares_otherwise_than_last_time_are_taken_over),
    Mutant("fields of people are the code's", "declare_schedule", r"theirs := [^;]*;", "theirs := '{}';",
           declare.test_fields_that_people_have_set_stay_whatever_code_says_of_them_then),
    Mutant("schedules of people are the code's", "declare_schedule", r"if old\.declared is null and", "if false and",
           declare.test_a_schedule_that_people_have_made_stays_as_they_have_it),
    Mutant("a resumed schedule makes up for its pause", "resume_schedule", r"after_at = at, ", "",
           pause.test_a_resumed_schedule_goes_on_from_now_and_the_pause_is_one_row),
    Mutant("a check makes a job", "checked_scheduled_job", r"raise exception 'taken back'[^;]*;", "",
           changes.test_looking_whether_the_job_is_valid_leaves_no_job),
    # the others
    Mutant("a trigger obeys the next tick", "trigger_schedule", r"set last_tick = at,", "set last_tick = at, next_tick = null,",
           trigger.test_it_makes_the_job_and_leaves_the_next_tick_and_a_pause, (False,)),
    Mutant("a backfill fires what waits", "backfill_schedule", r"\('fired', 'buffered'\)", "('fired')",
           backfill.test_a_tick_that_waits_for_the_job_before_it_is_left_to_that),
    Mutant("a backfill takes no locks", "hold_schedule", r" for no key update", "",
           backfill.test_two_backfills_of_the_same_ticks_make_each_job_once),
    Mutant("jitter is the same for all ticks", "jitter_of", r" \|\| ' ' \|\| \(extract.*?::bigint", "",
           jitter.test_it_is_the_same_for_the_same_tick_and_spread_over_others),
    Mutant("workers take the same schedules", "due_schedules", r"order by random\(\)", "order by d.name",
           due.test_of_more_than_are_wanted_workers_get_different_ones),
]  # fmt: skip
