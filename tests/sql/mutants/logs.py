"""Rules of log lines: whose are kept, how many, and when they go."""

from .. import log_guarantees as guarantees
from .mutant import Mutant

MUTANTS = [
    Mutant("lines without the fence", "refused_runs", r"j\.claim_token = r\.token or j\.claim_token is null", "true",
           guarantees.a_run_that_has_lost_its_job_adds_no_line),
    Mutant("lines of anybody after the end", "refused_runs", r" and h\.worker_id = refused_runs\.worker", "",
           guarantees.lines_after_the_end_are_those_of_who_ended_it),
    Mutant("lines of anybody after a failure", "refused_runs", r" and d\.worker_id = refused_runs\.worker", "",
           guarantees.lines_after_the_end_are_those_of_who_ended_it),
    Mutant("no lines after the end", "refused_runs", r"h\.finished_at > since", "false",
           guarantees.lines_after_the_end_are_those_of_who_ended_it),
    Mutant("a repeated line is another one", "insert_lines", r"coalesce\(own\.run_seq, 0\)", "0",
           guarantees.a_repeated_call_adds_no_line_twice),
    Mutant("lines are kept without end", "trim_log", r"l\.seq <= newest\.seq - most_lines", "false",
           guarantees.only_the_last_lines_are_kept),
    Mutant("bytes are kept without end", "trim_log", r" or newest\.bytes - l\.bytes_before > most_bytes", "",
           guarantees.only_the_last_bytes_are_kept),
    Mutant("the newest line may go", "trim_log", r" and l\.seq < newest\.seq", "", guarantees.only_the_last_bytes_are_kept),
    Mutant("two runs that meet", "add_log", r"when unique_violation then", "when division_by_zero then",
           guarantees.lines_of_two_runs_that_meet_are_all_kept, sqlstate="23505"),
    Mutant("lines lock their job", "refused_runs",
           [(r"\bSTABLE\b", "VOLATILE"), (r"is null\) offset 0\)", "is null) for update offset 0)")], "",
           guarantees.adding_lines_locks_no_job),
    Mutant("lines of dead letters go", "prune_logs", r"\s+and not exists \(select from dead_letter[^\n]*", "",
           guarantees.lines_go_with_their_job),
    Mutant("lines of the history go", "prune_logs", r"\s+and not exists \(select from job_history[^\n]*", "",
           guarantees.lines_go_with_their_job),
    Mutant("lines are never pruned", "prune", r"prune_logs\(\)", "false", guarantees.lines_go_with_their_job),
    Mutant("the walk begins anew each time", "prune_logs", r"set logs_from = seen", "set logs_from = 0",
           guarantees.every_job_is_looked_at_in_turn),
    Mutant("the walk never begins anew", "prune_logs", r"else 0 end", "else seen end",
           guarantees.every_job_is_looked_at_in_turn),
    Mutant("a call deletes without end", "prune_logs", r" limit most_lines", "", guarantees.a_call_deletes_so_many_lines),
    Mutant("what a call has left is passed by", "prune_logs", r"\(select max\(id\) from unnest\(deleted\) as d\(id\)\) - 1",
           "ids[cardinality(ids)]", guarantees.a_call_deletes_so_many_lines),
]  # fmt: skip
