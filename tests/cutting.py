"""Ending the connections of pgqueue, as a restart of the server or an idle timeout does."""

from tests.looking import Look
from tests.waiting import until


def cut_all(look: Look) -> None:
    """End all connections of pgqueue's, as a restart of the server would.

    Also those that come meanwhile: a pool that has met a closed connection opens another one in the background.
    """
    ours = "from pg_stat_activity where datname = current_database() and application_name like 'pgqueue%%'"
    until(lambda: not look.rows(f"select pg_terminate_backend(pid) {ours}"), "the end of all connections")
