"""Rules of the audit log."""

from .. import test_audit as audit
from .mutant import DROP, Mutant

MUTANTS = [
    *(Mutant(f"{verb[0]} leaves no trace", verb[0], r"perform audit\(" + DROP, "null;",
             audit.test_a_verb_is_kept_with_who_and_with_what_was_before, verb)
      for verb in audit.VERBS),
    Mutant("an operation fills the log", "do_job", r"retry_job\(", "retry(",
           audit.test_no_operation_fills_the_log_with_its_jobs, ("retry",)),
    Mutant("a limit of code is kept", "set_declared", r"change_limit\(", "set_limit(",
           audit.test_what_workers_and_producers_do_is_not_kept),
    Mutant("a dry run is kept", "start_operation", r"if not its\.dry_run then", "if true then",
           audit.test_a_dry_run_changes_nothing_and_is_not_kept),
    Mutant("what did not change is kept", "audit", r"if before = after then", "if false then",
           audit.test_what_is_set_as_it_was_is_not_kept, ("set_limit('openai', 6)", "set_limit('openai', 6, by => 'ann')")),
    Mutant("rows are removed by anybody", "keep_audit", r"old\.at < [^\n]*? then", "true then", audit.test_rows_are_only_added,
           ("delete from audit_log",)),
    Mutant("rows stay for ever", "prune_audit", r"delete from audit_log" + DROP, "",
           audit.test_rows_are_kept_for_a_year_or_as_the_install_says),
]  # fmt: skip
