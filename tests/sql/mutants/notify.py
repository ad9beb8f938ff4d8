"""Rules of notify => false: nobody is woken by the job, and somebody by what follows."""

from collections.abc import Iterator

from .. import test_notify as notify
from .mutant import Mutant

MANY = "insert_each"
OF_ONE_TASK = "enqueue_many(text"
OFF = r"before := set_notify\('off'\);"
BACK = r"perform set_notify\(before\);"
REPLACED = r" or unique_mode = 'replace'"


def _mutants() -> Iterator[Mutant]:
    for what, function, form, rule, instead in (
        ("a child wakes", "enqueue", "enqueue, a child", OFF, "null;"),
        ("a child leaves all quiet", "enqueue", "enqueue, a child", BACK, "null;"),
        ("a replaced job wakes", "enqueue", "enqueue, instead of another", REPLACED, ""),
        ("children wake", OF_ONE_TASK, "enqueue_many, children", OFF, "null;"),
        ("children leave all quiet", OF_ONE_TASK, "enqueue_many, children", BACK, "null;"),
        ("a child among jobs wakes", MANY, "jobs, a child", r"before := mute\(jobs\);", ""),
        ("jobs leave all quiet", MANY, "jobs", BACK, "null;"),
        ("children of a query wake", "enqueue_select", "enqueue_select, children", OFF, "null;"),
        ("children of a query leave all quiet", "enqueue_select", "enqueue_select, children", BACK, "null;"),
        ("replaced jobs of a query wake", "enqueue_select", "enqueue_select, instead of another", REPLACED, ""),
        ("nodes wake", "add_nodes", "enqueue_workflow", r":= mute\(nodes\)", ""),
        ("nodes leave all quiet", "add_nodes", "extend_workflow", BACK, "null;"),
        ("the setting is ignored", "wake", "enqueue, a child", r"not in \([^\n]*?\)", "is not null"),
    ):
        yield Mutant(f"notify: {what}", function, rule, instead, notify.quiet, (form,))


MUTANTS = list(_mutants())
