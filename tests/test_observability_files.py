"""deploy/observability: each file parses, each query runs, each metric and each label exists."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from pgqueue.api.prometheus.families import FAMILIES

FOLDER = Path(__file__).parents[1] / "deploy/observability"
BOARDS = sorted((FOLDER / "grafana/dashboards").glob("*.json"))
ALERTS = FOLDER / "alerts.yml"
# Labels that Prometheus itself adds, and words of its language.
OF_PROMETHEUS = {"job", "instance"}
TIMES = {"$__timeFrom()": "'2026-01-01T00:00:00Z'", "$__timeTo()": "'2026-01-01T06:00:00Z'"}


def panels(board: Path) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard."""
    yield from json.loads(board.read_text())["panels"]


def queries() -> Iterator[tuple[str, str]]:
    """Each query of PromQL with where it stands."""
    for board in BOARDS:
        for panel in panels(board):
            for target in panel["targets"]:
                if "expr" in target:
                    yield f"{board.stem}: {panel['title']}", target["expr"]
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            yield f"alert {rule['alert']}", rule["expr"]


def statements() -> list[tuple[str, str]]:
    """Each query of SQL with where it stands."""
    found = []
    for board in BOARDS:
        for panel in panels(board):
            found += [(panel["title"], target["rawSql"]) for target in panel["targets"] if "rawSql" in target]
    return found


def test_each_file_parses() -> None:
    for file in FOLDER.rglob("*.yml"):
        assert yaml.safe_load(file.read_text())
    assert [board.stem for board in BOARDS] == ["prometheus", "sql"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_a_dashboard_has_panels_that_do_not_overlap_and_known_data_sources(board: Path) -> None:
    sources = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/pgqueue.yml").read_text())["datasources"]
    known = {source["uid"] for source in sources}
    places = []
    for panel in panels(board):
        assert panel["datasource"]["uid"] in known
        assert panel["title"]
        places.append((panel["gridPos"]["x"], panel["gridPos"]["y"]))
    assert len(set(places)) == len(places)
    ids = [panel["id"] for panel in panels(board)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(("title", "statement"), statements(), ids=[title for title, _ in statements()])
def test_each_statement_runs(connection: psycopg.Connection[Any], title: str, statement: str) -> None:
    connection.execute("set search_path = pg_catalog")
    for macro, time in TIMES.items():
        statement = statement.replace(macro, time)
    assert "$" not in statement
    with connection.transaction():
        connection.execute("set transaction read only")
        connection.execute(statement.encode())


def test_what_grafana_may_read_is_what_a_viewer_may(connection: psycopg.Connection[Any]) -> None:
    """Every relation and function of the statements stands in the list of the role viewer, or is a view."""
    called = {name for _, statement in statements() for name in re.findall(r"pgqueue\.(\w+)\(", statement)}
    roles = (Path(__file__).parents[1] / "sql/roles.sql").read_text()
    viewer = re.search(r'"viewer":\s+\[(.*?)\]', roles, re.DOTALL)
    assert viewer
    assert called <= set(re.findall(r'"(\w+)"', viewer[1]))


@pytest.mark.parametrize(("where", "query"), list(queries()), ids=[where for where, _ in queries()])
def test_each_query_names_metrics_and_labels_that_exist(where: str, query: str) -> None:
    names = set(re.findall(r"\bpgqueue_\w+", query))
    assert names <= FAMILIES.keys()
    assert names or "up{" in query
    for name, selector in re.findall(r"\b(pgqueue_\w+)\{([^}]*)\}", query):
        used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
        assert used <= {*FAMILIES[name].labels, *OF_PROMETHEUS}
    for group in re.findall(r"\bby \(([^)]*)\)", query):
        labels = {label for name in names for label in FAMILIES[name].labels}
        assert {label.strip() for label in group.split(",")} <= labels
    assert query.count("(") == query.count(")")
    assert query.count("{") == query.count("}")
    counters = {name for name in names if FAMILIES[name].kind == "counter"}
    for name in counters:
        assert re.search(rf"(?:rate|increase)\({name}(?:\{{[^}}]*\}})?\[", query), f"{name} is a counter: its rate says something"


def test_each_alert_says_what_it_is_and_what_to_do() -> None:
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("warning", "critical")
            assert rule["annotations"]["summary"]
            assert rule["annotations"]["description"]


def test_prometheus_takes_the_rules_and_the_queries_of_dashboards(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        missing = "promtool is not installed (Debian: apt install prometheus)"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    asked = [{"record": f"query{number}", "expr": query.replace("$queue", ".*")} for number, (_, query) in enumerate(queries())]
    recorded = tmp_path / "queries.yml"
    recorded.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": asked}]}))
    command = ["promtool", "check", "rules", str(ALERTS), str(recorded)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
