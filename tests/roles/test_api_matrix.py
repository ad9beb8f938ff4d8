"""Every endpoint of the API and every role: what a key may is what the SQL role of its name may."""

import re
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from pgqueue import PgQueue
from pgqueue.api import create_app
from pgqueue.api.callers.caller import ADMINS, OPEN, READERS
from pgqueue.api.endpoint import PREFIX, Endpoint, route_of
from pgqueue.api.routes import ALL
from tests.api.keyed import bearer, key_of
from tests.api.serving import served

from .conftest import ROLES, Install

NOBODY_HAS = "999999999"
# Where `may` is not what the privileges in PostgreSQL say, and why. A17: who may not enqueue changes no task, arguments or queue
# of a job or a schedule; endpoints that take them ask for an admin themselves, as SQL does, see assert_may_enqueue.
EXCEPTIONS = {"POST /schedules/preview": "reads an expression, and asks the database nothing"}
# Reads of the keys' own view, which viewers may not read.
READ_BY_ADMINS = {"GET /keys", "GET /keys/{key_id}"}


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


@pytest.fixture(scope="module")
def install(server_url: str) -> Iterator[Install]:
    """An install of its own: the calls of this file may pause everything."""
    install = Install(server_url)
    try:
        install.create()
        yield install
    finally:
        install.drop()


class Api:
    """The API, which connects as a login of the role admin, and a key of each role."""

    def __init__(self, client: httpx.Client, keys: dict[str, str]) -> None:
        self.keys = keys
        self._client = client

    def status(self, endpoint: Endpoint, key: str | None) -> tuple[int, str]:
        """How a harmless request is answered, and what a refusal says. Streams are not read."""
        path = re.sub(r"\{\w*id\}", NOBODY_HAS, endpoint.path)
        path = ("" if endpoint.is_root else PREFIX) + re.sub(r"\{\w+\}", "mail", path)
        body: dict[str, str] | None = {} if endpoint.method in ("POST", "PUT", "PATCH") else None
        headers = bearer(key) if key else {}
        with self._client.stream(endpoint.method, path, headers=headers, json=body) as answer:
            return answer.status_code, answer.read().decode() if answer.status_code >= 400 else ""


@pytest.fixture(scope="module")
def api(install: Install) -> Iterator[Api]:
    with ExitStack() as opened:
        owner = PgQueue(install.url, schema=install.schema)
        server = PgQueue(install.url_of("admin"), schema=install.schema)
        for app in (owner, server):
            opened.callback(app.close)
        keys = {role: key_of(owner, role) for role in ROLES}
        keys["bound"] = key_of(owner, "admin", queues=["mail"])
        url = opened.enter_context(served(create_app(server)))
        yield Api(opened.enter_context(httpx.Client(base_url=url, timeout=30)), keys)


def sql_roles(install: Install, endpoint: Endpoint) -> set[str]:
    """The roles that may call all functions, and read all views, that an endpoint says it calls."""
    allowed = set(ROLES)
    for name in endpoint.calls:
        rows = install.rows(
            "select kind from (select k as kind, current_schema() || '_' || k as role from unnest(%s::text[]) u(k)) r "
            "where coalesce((select bool_and(has_function_privilege(role, oid, 'execute')) from pg_proc "
            "where pronamespace = current_schema()::regnamespace and proname = %s), "  # some tables have the same name
            "has_table_privilege(role, to_regclass(%s), 'select'))",
            list(ROLES),
            name,
            name,
        )
        allowed &= {kind for (kind,) in rows}
    return allowed


@pytest.mark.parametrize("endpoint", ALL, ids=named)
def test_an_endpoint_may_be_called_by_whom_its_functions_may_be_called_by(install: Install, endpoint: Endpoint) -> None:
    if named(endpoint) in EXCEPTIONS or endpoint.may == OPEN:
        return
    if endpoint.calls:
        assert set(endpoint.may) == sql_roles(install, endpoint)
    else:
        assert endpoint.method == "GET", "what changes something names its functions"
        assert endpoint.may == (ADMINS if named(endpoint) in READ_BY_ADMINS else READERS), "it reads views"


@pytest.mark.parametrize("endpoint", ALL, ids=named)
def test_a_key_is_let_through_where_its_role_may_and_nowhere_else(api: Api, endpoint: Endpoint) -> None:
    """Streams are refused before they begin."""
    if endpoint.may == OPEN:
        assert api.status(endpoint, None)[0] not in (401, 403)
        return
    assert api.status(endpoint, None)[0] == 401
    for role in ROLES:
        status, said = api.status(endpoint, api.keys[role])
        if role in endpoint.may:
            assert status not in (401, 403, 405, 429), (role, said)
        else:
            assert status == 403, role
            assert f"this one is a {role}" in said


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in ALL if endpoint.may != OPEN], ids=named)
def test_a_key_for_some_queues_is_let_through_where_they_are_honoured(api: Api, endpoint: Endpoint) -> None:
    status, said = api.status(endpoint, api.keys["bound"])
    assert (status == 403) != endpoint.is_bound, said


def test_every_endpoint_has_a_name_of_its_own() -> None:
    """Beside /api/v1 there is a GET /metrics, too."""
    assert len({(endpoint.method, route_of(endpoint)) for endpoint in ALL}) == len(ALL)


def test_exceptions_are_endpoints() -> None:
    assert EXCEPTIONS.keys() | READ_BY_ADMINS <= {named(endpoint) for endpoint in ALL}
