"""Operators, functions, types and relations that somebody has made to be called in place of PostgreSQL's."""

import re
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.every_call import every_call

# What is called counts its call where a rollback leaves it, and raises.
_SIN = "language plpgsql as $$begin perform pg_catalog.nextval('{schema}.sins'); raise 'a planted function was called'; end$$"
_TYPES = ("text", "jsonb", "uuid", "timestamptz", "float8", "bool", "xid8", "name", "oid", "int4", "int8", "bytea")
_RELATIONS = ("pg_proc", "pg_class", "pg_namespace", "pg_settings")
# Types of what our statements compare and pass, for which PostgreSQL's own take an argument of another type, or of any.
_FITTING = (
    "smallint", "integer", "bigint", "real", "double precision", "numeric", "text", "name", "oid", "regtype", "regclass",
    "character varying", "uuid", "jsonb", "timestamp with time zone", "interval", "boolean", "xid", "xid8", '"char"',
)  # fmt: skip
_COMPARISONS = ("=", "<>", "<", ">", "<=", ">=")
_OPERATORS = ("=", "<>", "<", ">", "<=", ">=", "+", "-", "*", "/", "||", "->", "->>")


def plant(url: str, schema: str) -> None:
    """Plant the operators and functions that our statements name, with PostgreSQL's own types and with some that fit better."""
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("create sequence {}.sins").format(sql.Identifier(schema)))
        connection.execute("set local search_path to pg_catalog")  # not what is planted already
        enums = _column(connection, "select oid::regtype::text from pg_type where typtype = 'e'")
        _plant_operators(connection, schema, [*_FITTING, *enums])
        _plant_functions(connection, schema, [*_FITTING, *enums])


def plant_types(url: str, schema: str) -> None:
    """Plant types, and relations with the names of those of the catalog that we read."""
    with psycopg.connect(url) as connection:
        for name in _RELATIONS:
            connection.execute(sql.SQL("create table {} ()").format(sql.Identifier(schema, name)))
        for name in _TYPES:
            connection.execute(sql.SQL("create domain {} as pg_catalog.int4").format(sql.Identifier(schema, name)))


def put_first(url: str, schema: str) -> None:
    """Let new sessions look names up in a schema before they look in pg_catalog."""
    with psycopg.connect(url) as connection:
        database = sql.Identifier(str(conninfo_to_dict(url)["dbname"]))
        path = sql.SQL("alter database {} set search_path to {}, pg_catalog, public")
        connection.execute(path.format(database, sql.Identifier(schema)))


def sins(url: str, schema: str) -> int:
    """How often something planted was called."""
    with psycopg.connect(url) as connection:
        last = sql.SQL("select pg_catalog.pg_sequence_last_value({}::pg_catalog.regclass)")
        return (connection.execute(last.format(sql.Literal(f"{schema}.sins"))).fetchall())[0][0] or 0


def words() -> list[str]:
    """All words of our statements; among them the functions that they call."""
    return sorted({word for _, call in every_call() for word in re.findall(r"\b[a-z]\w+\b", call.statement)})


def _plant_operators(connection: psycopg.Connection[Any], schema: str, types: list[str]) -> None:
    own = connection.execute(
        "select oprname::text, oprleft::regtype::text, oprright::regtype::text, oprresult::regtype::text from pg_operator "
        "where oprleft <> 0 and oprname = any (%s) and oprnamespace = 'pg_catalog'::regnamespace",
        (list(_OPERATORS),),
    ).fetchall()
    results = {(name, left, right): result for name, left, right, result in own}
    for left in types:
        for right in types:
            for name in _COMPARISONS:
                results.setdefault((name, left, right), "boolean")
        for name in ("+", "-", "*", "/", "||"):
            results.setdefault((name, left, left), left)
    sinners = {of: n for n, of in enumerate(sorted({(left, right, result) for (_, left, right), result in results.items()}))}
    statements = [_function(schema, f"sin_{n}", f"{left}, {right}", result) for (left, right, result), n in sinners.items()]
    statements += [
        f"create operator {schema}.{name} (leftarg = {left}, rightarg = {right}, "
        f"function = {schema}.sin_{sinners[left, right, result]})"
        for (name, left, right), result in results.items()
    ]
    connection.execute(";".join(statements).encode())


def _plant_functions(connection: psycopg.Connection[Any], schema: str, types: list[str]) -> None:
    own = connection.execute(
        "select distinct proname::text, pg_get_function_identity_arguments(oid), pg_get_function_result(oid) from pg_proc "
        "where proname = any (%s) and pronamespace = 'pg_catalog'::regnamespace and prokind = 'f' "
        "and not proargtypes::oid[] && array['internal', 'cstring', '\"any\"']::regtype[]::oid[] "
        "and prorettype <> 'internal'::regtype",
        (words(),),
    ).fetchall()
    functions = {(name, arguments): result for name, arguments, result in own}
    for name, arguments, result in own:
        for one in types if arguments and "," not in arguments and "OUT" not in arguments else ():
            functions.setdefault((name, one), result)
    functions |= {("make_interval", f"secs {one}"): "interval" for one in types}
    of_any = connection.execute(
        "select proname::text, pg_get_function_result(oid) from pg_proc where proname = any (%s) and prokind = 'f' "
        "and pronamespace = 'pg_catalog'::regnamespace and pg_get_function_identity_arguments(oid) = '\"any\"'",
        (words(),),
    ).fetchall()
    functions |= {(name, one): result for name, result in of_any for one in types}
    aggregates = [("count", "*"), *((name, one) for name in ("count", "sum", "min", "avg") for one in types)]
    statements = [_function(schema, name, arguments, result) for (name, arguments), result in functions.items()]
    statements.append(_function(schema, "sin_of_nothing", "state int", "int"))
    statements += [_function(schema, f"sin_of_{n}", f"state int, it {one}", "int") for n, one in enumerate(types)]
    statements += [
        f"create aggregate {schema}.{name} ({one}) (stype = int, sfunc = {schema}.sin_of_"
        f"{'nothing' if one == '*' else types.index(one)})"
        for name, one in aggregates
    ]
    connection.execute("select set_config('pgqueue.statements', %s, true)", ("~".join(statements),))
    # Some of PostgreSQL's own cannot be made by hand, such as those of ranges.
    connection.execute(
        b"""do $$declare statement text; begin
             foreach statement in array string_to_array(current_setting('pgqueue.statements'), '~') loop
               begin execute statement; exception when others then null; end;
             end loop; end$$"""
    )


def _function(schema: str, name: str, arguments: str, result: str) -> str:
    return f'create function {schema}."{name}"({arguments}) returns {result} {_SIN.format(schema=schema)}'


def _column(connection: psycopg.Connection[Any], query: str) -> list[str]:
    return [row[0] for row in connection.execute(query.encode())]
