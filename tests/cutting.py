"""Ending the connections of pgqueue, as a restart of the server or an idle timeout does."""

from tests.looking import Look
from tests.waiting import until


def cut_all(look: Look) -> None:
    """End all connections of pgqueue's, as a restart of the server would."""
    ours = "from pg_stat_activity where datname = current_database() and application_name like 'pgqueue%%'"
    look.rows(f"select pg_terminate_backend(pid) {ours}")
    until(lambda: not look.value(f"select count(*) {ours}"), "the end of all connections")
