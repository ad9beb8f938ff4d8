"""Fills two installs, one with 1/200 of the other, and measures both."""

from __future__ import annotations

import json

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.server import Server
from benchmarks.size.fill import fill
from benchmarks.size.pages import pages
from benchmarks.size.reads import OPTIONS, commands, operations, reads

PART = 200
SIZES = """
    SELECT coalesce(h.inhparent, c.oid)::regclass::text AS name, sum(pg_total_relation_size(c.oid))::bigint AS bytes,
           sum(greatest(c.reltuples, 0))::bigint AS rows
      FROM pg_class c LEFT JOIN pg_inherits h ON h.inhrelid = c.oid
     WHERE c.relnamespace = 'pgqueue'::regnamespace AND c.relkind = 'r'
     GROUP BY 1 HAVING sum(greatest(c.reltuples, 0)) >= 1000 ORDER BY 2 DESC"""
Lines = list[dict[str, object]]


def measure(server: Server, scale: float, *, as_json: bool) -> None:
    """Print three tables: megabytes for a million rows, reads, operations; in milliseconds."""
    with server.fresh_database("size_large") as large, server.fresh_database("size_small") as small:
        fill(server.url(large), scale)
        fill(server.url(small), scale / PART)
        show("sizes", _sizes(server.url(large)), as_json=as_json)
        show("milliseconds", _times(server, large, small), as_json=as_json)


def _sizes(url: str) -> Lines:
    with psycopg.connect(url, autocommit=True, options=OPTIONS) as connection:
        rows = connection.execute(SIZES.encode()).fetchall()
    return [
        {"table": name, "rows": count, "MB": round(size / 1e6, 1), "MB per million rows": round(size / count)}
        for name, size, count in rows
    ]


def _times(server: Server, large: str, small: str) -> Lines:
    """Cold: the first after a start of the server, where it may be restarted."""
    found = {}
    for name in (large, small):
        url = server.url(name)
        cold = {**reads(url, 1), **pages(url, 1)} if server.restarted() else {}
        found[name] = ({**reads(url), **commands(url), **pages(url), **operations(url)}, cold)
    (warm, cold), (small_warm, small_cold) = found[large], found[small]
    return [
        {"what": what, "warm": warm[what], f"at 1/{PART}": small_warm[what], "cold": cold.get(what),
         f"cold at 1/{PART}": small_cold.get(what)}
        for what in warm
    ]  # fmt: skip


def show(title: str, lines: Lines, *, as_json: bool) -> None:
    """JSON lines, or a table."""
    if as_json:
        for line in lines:
            print(json.dumps({"benchmark": "size", **line}), flush=True)
        return
    table = Table(title=title)
    for number, name in enumerate(lines[0]):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for line in lines:
        table.add_row(*(_cell(value) for value in line.values()))
    Console().print(table)


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:,.1f}"
        case int():
            return f"{value:,}"
    return str(value)
