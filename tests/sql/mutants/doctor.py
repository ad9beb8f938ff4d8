"""Rules of doctor: whose turn it is, what is told, and what is a finding."""

from .. import test_diagnose as diagnose
from .. import test_diagnosis_due as due
from .mutant import Mutant

FOUND = diagnose.test_each_finding_is_provoked_and_gone_after_its_remedy
CASE = {case.name: case for case in diagnose.CASES}
LIMITED = next(case for case in diagnose.CASES if case.name == "queue-not-served" and "limits" in case.provoke[2])

MUTANTS = [
    Mutant("every worker examines", "diagnosis_due", r"where next_at <= now_ or next_at > now_ \+ 2 \* every", "",
           due.test_one_worker_examines_in_45_seconds),
    Mutant("a clock that was set back ends the examinations", "diagnosis_due", r" or next_at > now_ \+ 2 \* every", "",
           due.test_a_turn_of_a_clock_that_was_set_back_counts_as_due),
    Mutant("workers wait for each other's turn", "diagnosis_due", r" skip locked", "",
           due.of_two_that_ask_at_once_one_examines, (), "55P03"),
    Mutant("what could not be checked is gone", "note_findings", r"l\.source = any \(checks\) and ", "",
           due.test_what_a_check_has_found_stays_while_it_cannot_be_made),
    Mutant("everything is new", "note_findings", r"where is_new", "where true",
           due.test_what_is_new_and_what_is_gone_is_told_once),
    Mutant("clocks of the dead are kept", "note_findings", r"delete from worker_clock[^;]*;", "",
           due.test_the_clocks_of_workers_that_are_gone_are_forgotten),
    Mutant("jobs with limits wait in silence", "queues_with_jobs", r"union select queue from limited", "", FOUND, (LIMITED,)),
    Mutant("ready jobs of unknown tasks are not seen", "diagnose_tasks", r"union all.*?looked", ") looked", FOUND,
           ([case for case in diagnose.CASES if case.name == "unknown-task"][1],)),
    Mutant("jobs of unknown tasks with limits are not seen", "diagnose_tasks", r"union all\s+\(select.*?looked", ") looked",
           FOUND,
           ([case for case in diagnose.CASES if case.name == "unknown-task"][3],)),
    Mutant("a paused everything is forgotten", "diagnose_pauses", r"from pauses", "from (select * from pauses where name > '') p",
           FOUND, ([case for case in diagnose.CASES if case.name == "pause-forgotten"][1],)),
    Mutant("a changed function is not seen", "diagnose_schema", r"w\.definition is distinct from n\.definition",
           "(w.name is null or n.name is null)", FOUND, (CASE["object-changed"],)),
    Mutant("slots and standbys do not count", "diagnose_horizon", r" or since is null and held >= xids", "",
           diagnose.test_what_else_pins_dead_rows_is_told_with_its_own_remedy),
]  # fmt: skip
