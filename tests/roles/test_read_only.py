"""Whether a server can change anything depends on the role as which it connects, and on whether its database is a replica."""

from collections.abc import Callable

import httpx

from pgqueue import PgQueue
from pgqueue.api import create_app
from pgqueue.database.calls.install import is_read_only
from tests.api.serving import served
from tests.roles.conftest import Install


def test_only_a_role_that_may_change_nothing_is_read_only(install: Install, app_of: Callable[[str], PgQueue]) -> None:
    found = {
        name: app_of(name).database.run(is_read_only(install.schema)) for name in ("producer", "viewer", "operator", "admin")
    }
    assert found == {"producer": False, "viewer": True, "operator": False, "admin": False}


def test_capabilities_say_whether_it_only_reads(app_of: Callable[[str], PgQueue]) -> None:
    with served(create_app(app_of("admin"))) as url:
        assert httpx.get(f"{url}/api/v1/capabilities").json()["is_read_only"] is False
