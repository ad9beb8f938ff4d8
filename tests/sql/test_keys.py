"""Keys of the REST API: what is stored, which are found, who hears of a change."""

import hashlib
from typing import Any

import psycopg
import pytest

from .conftest import Sql

ID = "abcdefghijkl"
HASH = hashlib.sha256(b"secret").digest()


def create(sql: Sql, id: str = ID, **options: Any) -> Any:
    given = {"id": id, "hash": HASH, "name": "deploy", "role": "viewer", **options}
    return sql.value(f"select create_key({', '.join(f'{name} => %s' for name in given)})", *given.values())


def found(sql: Sql, id: str = ID) -> list[dict[str, Any]]:
    return sql.rows("select * from find_key(%s)", id)


def test_a_key_is_found_with_its_digest_and_what_it_is_for(rolled_back_sql: Sql) -> None:
    create(rolled_back_sql, queues=["mail"], may_read_arguments=False, by="ann")
    assert found(rolled_back_sql) == [
        {"hash": HASH, "name": "deploy", "role": "viewer", "queues": ["mail"], "may_read_arguments": False, "valid_for": None}
    ]
    (row,) = rolled_back_sql.rows("select * from api_keys")
    assert (row["status"], row["created_by"], "hash" in row) == ("valid", "ann", False)
    assert found(rolled_back_sql, "another00000") == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"id": "ABCDEFGHIJKL"}, "id: 'ABCDEFGHIJKL' is not valid"),
        ({"hash": b"secret"}, "hash: '6' is not valid"),
        ({"name": ""}, "name: '' is not valid"),
        ({"name": "x" * 201}, "name: "),
        ({"role": "root"}, "role: 'root' is not valid; use viewer, producer"),
        ({"queues": []}, "queues: '0' is not valid"),
        ({"queues": [""]}, "name: '' is not valid"),
        ({"may_read_arguments": None}, "may_read_arguments: NULL is not valid"),
        ({"expires_at": "2000-01-01Z"}, "expires_at: .* still to come"),
        ({"expires_after": "-1 s"}, "expires_after: "),
        ({"expires_at": "2100-01-01Z", "expires_after": "1 h"}, "expires_after: .* not both"),
        ({"by": ""}, "by: '' is not valid"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_no_key_is_refused(rolled_back_sql: Sql, options: dict[str, Any], said: str) -> None:
    with pytest.raises(psycopg.Error, match=said) as refused, rolled_back_sql.connection.transaction():
        create(rolled_back_sql, **options)
    assert refused.value.sqlstate == "PQ001"
    assert rolled_back_sql.value("select count(*) from api_key") == 0


def test_an_id_is_given_once(rolled_back_sql: Sql) -> None:
    create(rolled_back_sql)
    with pytest.raises(psycopg.Error, match="there is such a key"):
        create(rolled_back_sql)


def test_an_expired_key_is_not_found(rolled_back_sql: Sql) -> None:
    ends = create(rolled_back_sql, expires_after="1 h")
    (row,) = found(rolled_back_sql)
    assert 3590 < row["valid_for"].total_seconds() <= 3600
    assert ends is not None
    rolled_back_sql.connection.execute("update api_key set expires_at = clock_timestamp()")
    assert found(rolled_back_sql) == []
    assert rolled_back_sql.value("select status from api_keys") == "expired"


def test_a_revoked_key_is_not_found_and_is_revoked_once(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    create(sql)
    assert sql.value("select revoke_key(%s, 'ann', 'lost')", ID) is True
    assert found(sql) == []
    assert sql.value("select revoke_key(%s, 'bob')", ID) is False
    (row,) = sql.rows("select status, revoked_by from api_keys")
    assert row == {"status": "revoked", "revoked_by": "ann"}


def test_there_is_no_way_to_revoke_what_is_not_there(rolled_back_sql: Sql) -> None:
    with pytest.raises(psycopg.Error, match="id: there is no key 'abcdefghijkl'") as refused:
        rolled_back_sql.value("select revoke_key(%s)", ID)
    assert refused.value.sqlstate == "PQ003"


def test_once_there_was_a_key_there_are_keys(rolled_back_sql: Sql) -> None:
    """Otherwise the end of the last one would open the door."""
    assert rolled_back_sql.value("select has_keys()") is False
    create(rolled_back_sql)
    rolled_back_sql.value("select revoke_key(%s)", ID)
    assert rolled_back_sql.value("select has_keys()") is True


def test_making_and_revoking_is_audited_without_the_digest(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    create(sql, by="ann", queues=["mail"])
    sql.value("select revoke_key(%s, 'bob', 'lost')", ID)
    rows = sql.rows("select verb, kind, subject, by, reason, before, after from audit order by id")
    assert [row["verb"] for row in rows] == ["create_key", "revoke_key"]
    made, gone = rows
    assert (made["kind"], made["subject"], made["by"]) == ("key", ID, "ann")
    assert made["after"] == {"name": "deploy", "role": "viewer", "queues": ["mail"], "may_read_arguments": True}
    assert (gone["by"], gone["reason"], gone["before"]) == ("bob", "lost", made["after"])


def test_servers_hear_of_each_change(sql: Sql) -> None:
    sql.connection.execute(f"listen {sql.value('select channel()')}")
    create(sql)
    sql.value("select revoke_key(%s)", ID)
    assert [heard.payload for heard in sql.connection.notifies(timeout=5, stop_after=2)] == ["!keys", "!keys"]


def test_the_use_of_a_key_is_noted_once_a_minute(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    create(sql)
    sql.value("select note_key_used(%s)", [ID, "another00000"])
    first = sql.value("select last_used_at from api_keys")
    sql.value("select note_key_used(%s)", [ID])
    assert sql.value("select last_used_at from api_keys") == first is not None
    sql.connection.execute("update api_key set last_used_at = last_used_at - interval '1 minute'")
    sql.value("select note_key_used(%s)", [ID])
    assert sql.value("select last_used_at from api_keys") > first


def test_noting_the_use_does_not_wait_for_who_revokes(sql: Sql, another_sql: Any) -> None:
    create(sql)
    other = another_sql()
    with other.connection.transaction():
        other.value("select revoke_key(%s)", ID)
        sql.connection.execute("set lock_timeout = 100")
        sql.value("select note_key_used(%s)", [ID])
    assert sql.value("select last_used_at from api_key") is None


def test_the_audit_log_keeps_the_address_that_a_server_names(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    with sql.connection.transaction():
        sql.value("select set_config('pgqueue.client', '192.0.2.7', true)")
        sql.value("select pause('queue', 'mail', by => 'ann')")
    assert str(sql.value("select host(client) from audit")) == "192.0.2.7"


def test_an_address_that_is_none_is_refused_and_nothing_is_done(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.value("select set_config('pgqueue.client', 'home', true)")
    with pytest.raises(psycopg.Error, match=r"pgqueue.client: 'home' is not valid"), sql.connection.transaction():
        sql.value("select pause('queue', 'mail', by => 'ann')")
    assert sql.value("select count(*) from pauses") == 0
