"""deploy/kubernetes: each manifest fits its schema, the times fit each other, and each query gives one number."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import kubernetes_validate
import psycopg
import pytest
import yaml
from typer.testing import CliRunner

from pgqueue.api.prometheus.families import FAMILIES
from pgqueue.cli import cli

FOLDER = Path(__file__).parents[1] / "deploy/kubernetes"
FILES = sorted(FOLDER.glob("*.yml"))
VERSIONS = ["1.31", "1.37"]
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
AUTHENTICATION = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {"name": {"type": "string"}},
}
NUMBER = {"type": "integer", "minimum": 0}
# What KEDA's own definitions say of the fields that are used here (kedacore/keda, Apache License 2.0, config/crd/bases).
OF_KEDA = {
    "ScaledObject": {
        "type": "object",
        "required": ["scaleTargetRef", "triggers"],
        "additionalProperties": False,
        "properties": {
            "scaleTargetRef": AUTHENTICATION,
            "pollingInterval": NUMBER,
            "cooldownPeriod": NUMBER,
            "minReplicaCount": NUMBER,
            "maxReplicaCount": NUMBER,
            "fallback": {
                "type": "object",
                "required": ["failureThreshold", "replicas"],
                "additionalProperties": False,
                "properties": {
                    "failureThreshold": NUMBER,
                    "replicas": NUMBER,
                    "behavior": {"enum": ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]},
                },
            },
            "advanced": {"type": "object", "required": ["horizontalPodAutoscalerConfig"]},
            "triggers": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["type", "metadata"],
                    "additionalProperties": False,
                    "properties": {"type": {"type": "string"}, "metadata": TEXTS, "authenticationRef": AUTHENTICATION},
                },
            },
        },
    },
    "TriggerAuthentication": {
        "type": "object",
        "required": ["secretTargetRef"],
        "additionalProperties": False,
        "properties": {
            "secretTargetRef": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["parameter", "name", "key"],
                    "additionalProperties": False,
                    "properties": {key: {"type": "string"} for key in ("parameter", "name", "key")},
                },
            }
        },
    },
}


def documents(kind: str | None = None) -> Iterator[dict[str, Any]]:
    """The objects in all files, or those of a kind."""
    for file in FILES:
        for document in yaml.safe_load_all(file.read_text()):
            if kind in (None, document["kind"]):
                yield document


def workers() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The pods of Deployments that run workers, each with its container."""
    pods = [deployment["spec"]["template"]["spec"] for deployment in documents("Deployment")]
    return [(pod, pod["containers"][0]) for pod in pods]


def option(container: dict[str, Any], name: str) -> str:
    command = container["command"]
    return str(command[command.index(name) + 1])


@pytest.mark.parametrize("version", VERSIONS)
def test_each_manifest_fits_the_schema_of_kubernetes(version: str) -> None:
    plain = [document for document in documents() if "keda.sh" not in document["apiVersion"]]
    for document in plain:
        kubernetes_validate.validate(document, version, strict=True)

    assert sorted(document["kind"] for document in plain) == ["Deployment", "Job", "PodDisruptionBudget"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_kedas_fits_its_definitions(file: Path) -> None:
    for document in yaml.safe_load_all(file.read_text()):
        if document["kind"] in OF_KEDA:
            assert document["apiVersion"] == "keda.sh/v1alpha1"
            jsonschema.validate(document["spec"], OF_KEDA[document["kind"]])


@pytest.mark.parametrize("version", VERSIONS)
def test_the_behaviour_that_keda_hands_on_fits_the_schema_of_kubernetes(version: str) -> None:
    for scaled in documents("ScaledObject"):
        spec = {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": scaled["spec"]["scaleTargetRef"]["name"]},
            "maxReplicas": scaled["spec"]["maxReplicaCount"],
            **scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"],
        }
        hpa = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"}, "spec": spec}
        kubernetes_validate.validate(hpa, version, strict=True)


def test_a_pod_has_longer_than_its_grace_and_what_goes_before() -> None:
    for pod, container in workers():
        before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] >= float(option(container, "--grace")) + before + 10


def test_pgqueue_itself_gets_the_signals() -> None:
    """The exec form: a shell in between would swallow SIGTERM."""
    for kind in ("Deployment", "Job"):
        for document in documents(kind):
            for container in document["spec"]["template"]["spec"]["containers"]:
                assert isinstance(container["command"], list)
                assert container["command"][0] == "pgqueue"
                assert "args" not in container


def test_an_outage_of_the_database_restarts_nothing() -> None:
    """Only readiness asks what depends on it; there are two minutes to start, and one to come back to life."""
    for _, container in workers():
        paths = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
        assert paths == {"startup": "/live", "liveness": "/live", "readiness": "/ready"}
        ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
        assert ports["probes"] == option(container, "--probe-port")
        assert {container[f"{probe}Probe"]["httpGet"]["port"] for probe in paths} == {"probes"}
        startup, alive = container["startupProbe"], container["livenessProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 120
        assert alive["periodSeconds"] * alive["failureThreshold"] >= 60


def test_what_is_scaled_and_what_is_kept_up_is_the_deployment_of_workers() -> None:
    (deployment,) = documents("Deployment")
    (budget,) = documents("PodDisruptionBudget")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (deployment["spec"]["selector"], budget["spec"]["selector"]):
        assert selector["matchLabels"].items() <= labels.items()
    assert {scaled["spec"]["scaleTargetRef"]["name"] for scaled in documents("ScaledObject")} == {deployment["metadata"]["name"]}
    assert "replicas" not in deployment["spec"]


def test_the_commands_exist_and_have_these_options() -> None:
    for kind in ("Deployment", "Job"):
        for document in documents(kind):
            command = document["spec"]["template"]["spec"]["containers"][0]["command"]
            help = CliRunner().invoke(cli, [command[1], "--help"], env={"COLUMNS": "200"}).output
            assert [word for word in command if word.startswith("--") and word not in help] == []


def queries(kind: str) -> list[str]:
    return [
        trigger["metadata"]["query"]
        for scaled in documents("ScaledObject")
        for trigger in scaled["spec"]["triggers"]
        if trigger["type"] == kind
    ]


def test_the_query_of_postgresql_gives_one_whole_number(connection: psycopg.Connection[Any]) -> None:
    connection.execute("select make_pool('mail', 'shop:app', queues => '{mail}', minimum => 0)")
    connection.execute("select enqueue('noop', queue => 'mail') from generate_series(1, 101)")
    (query,) = queries("postgresql")

    cursor = connection.execute(query.encode())
    assert cursor.fetchall() == [(2,)]
    assert cursor.description is not None
    assert [column.type_code for column in cursor.description] == [psycopg.adapters.types["int4"].oid]


def test_the_query_of_prometheus_names_a_metric_and_its_labels() -> None:
    (query,) = queries("prometheus")
    found = re.fullmatch(r"max\((\w+)\{(\w+)=\"mail\"\}\)", query)

    assert found
    assert FAMILIES[found[1]].labels == (found[2],)


def test_the_login_of_the_scaler_reaches_the_hint_and_no_more(server_url: str) -> None:
    """As tests/roles has it for the role; here the file that makes the login."""
    text = (FOLDER / "scaler.sql").read_text()
    assert "grant pgqueue_scaler to keda;" in text
    assert len(re.findall(r"^grant ", text, re.MULTILINE)) == 1
    assert "connection limit" in text
    assert "statement_timeout" in text


def test_urls_in_the_files_are_inside_the_cluster() -> None:
    for scaled in documents("ScaledObject"):
        for trigger in scaled["spec"]["triggers"]:
            if "serverAddress" in trigger["metadata"]:
                assert httpx.URL(trigger["metadata"]["serverAddress"]).host.endswith(".svc")
