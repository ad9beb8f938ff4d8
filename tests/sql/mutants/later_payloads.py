"""Rules of what is submitted now and used later."""

from .. import test_later_payloads as later
from .mutant import DROP, Mutant

MUTANTS = [
    Mutant("a callback is read later", "checked_callback", r"callback := lasting" + DROP, "",
           later.test_a_callback_is_due_when_its_submitter_meant_whatever_the_worker_reads_times_by),
    Mutant("intervals as the session writes them", "in_iso", r"SET \"IntervalStyle\" TO 'iso_8601'", "",
           later.test_a_callback_is_stored_in_a_form_that_every_session_reads_alike),
    Mutant("years before Christ", "lasting_time", r"if given::timestamptz" + DROP + r"\s*end if;", "",
           later.test_a_time_of_a_callback_that_is_none_is_refused_by_its_name, later.BAD_TIMES["before Christ"]),
    Mutant("the job of a schedule is read later", "checked_scheduled_job", r"job := lasting" + DROP, "",
           later.test_the_job_of_a_schedule_is_what_its_author_meant_whatever_the_worker_reads_intervals_by),
    Mutant("most with a point", "in_microseconds", r",most", "",
           later.test_a_whole_number_of_a_schedule_may_be_written_with_a_point),
    Mutant("the options of an operation are read later", "checked_spec", r"its := lasting" + DROP, "",
           later.test_an_operation_waits_as_long_as_who_asked_for_it_meant),
    Mutant("delays that no float holds", "policy_seconds", r"round\(([^,]*), 6\)", r"\1",
           later.test_a_job_whose_delays_no_float_can_hold_fails_and_comes_back, (later.POLICIES["a cap"], "1e-400"),
           sqlstate="22003"),
    Mutant("only refusals end the callback alone", "enqueue_callback", r"when others then", "when sqlstate 'PQ001' then",
           later.test_whatever_stands_in_the_way_of_a_callback_ends_the_callback_alone, ("23514",), sqlstate="23514"),
    Mutant("what may pass ends the callback", "enqueue_callback", r"when lock_not_available" + DROP, "",
           later.test_what_may_pass_is_raised_so_that_the_end_is_handed_in_again, ("55P03",)),
    Mutant("an error for ever", "enqueue_callback", r"if its\.callback_error" + DROP + r"\s*end if;", "",
           later.test_a_callback_that_comes_after_the_next_end_clears_its_error),
    Mutant("keys of no arguments", "enqueue_callback", r"case when callback[^;]*? end \|\|", "'args' ||",
           later.test_the_key_of_a_limit_of_a_callback_is_made_of_its_arguments),
    Mutant("a step is tried for ever", "take_step", r"exception" + r".*end ", "end ",
           later.test_an_operation_whose_step_fails_holds_up_no_other, sqlstate="22023"),
    Mutant("one workflow holds up maintenance", "mend_workflows", r"when others then" + DROP, "",
           later.test_a_cancelled_workflow_that_cannot_be_finished_holds_up_neither_others_nor_maintenance, sqlstate="P0001"),
]  # fmt: skip
