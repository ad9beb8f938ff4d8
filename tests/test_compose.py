"""docker-compose.yml and .ci/run: a compose tool accepts the one, bash the other. Images are not built here."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
Service = Callable[[str], str]


@pytest.fixture(scope="module")
def service() -> Service:
    """A service by name, as the tool spells it once it has understood it; those of profiles too."""
    if shutil.which("docker-compose") is None:
        missing = "docker-compose is not installed (Debian: apt install docker-compose)"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    config = subprocess.run(
        ["docker-compose", "--profile", "observability", "config"], cwd=CHECKOUT, text=True, capture_output=True, check=False
    )
    assert config.returncode == 0, config.stderr

    def one(name: str) -> str:
        block = re.search(rf"^  {name}:\n((?:    .*\n)+)", config.stdout, re.MULTILINE)
        assert block, config.stdout
        return block[1]

    return one


def test_postgres_is_18_and_says_when_it_is_ready(service: Service) -> None:
    assert "image: postgres:18\n" in service("postgres")
    assert "pg_isready" in service("postgres")


def test_the_migration_runs_once_before_the_workers(service: Service) -> None:
    assert re.search(r"command:\n\s+- migrate\n", service("migrate"))
    assert re.search(r"postgres:\n\s+condition: service_healthy", service("migrate"))
    assert re.search(r"migrate:\n\s+condition: service_completed_successfully", service("worker"))


def test_three_workers_have_time_to_stop(service: Service) -> None:
    worker = service("worker")
    grace = re.search(r"- --grace\n\s+- '?\"?(\d+)", worker)
    time_to_stop = re.search(r"stop_grace_period: (\d+)s", worker)
    assert grace
    assert time_to_stop
    assert int(time_to_stop[1]) >= int(grace[1]) + 10
    assert "replicas: 3" in worker
    assert "init: true" in worker
    assert "pgqueue workers" in worker


def test_the_api_is_reached_from_this_machine_only_and_says_when_it_is_ready(service: Service) -> None:
    api = service("api")
    assert "/health/ready" in api
    assert re.search(r"127\.0\.0\.1:8000:8000|host_ip: 127\.0\.0\.1", api)
    assert re.search(r"- serve\n", api)
    time_to_stop = re.search(r"stop_grace_period: (\d+)s", api)
    assert time_to_stop
    assert int(time_to_stop[1]) >= 15
    assert re.search(r"\[.*\bapi\b.*\]'", (CHECKOUT / "Dockerfile").read_text()), "the image has the extra"


@pytest.mark.parametrize("name", ["prometheus", "grafana", "grafana-login"])
def test_what_observes_is_a_profile_and_is_reached_from_this_machine_only(service: Service, name: str) -> None:
    block = service(name)
    assert re.search(r"profiles:\n\s+- observability\n", block)
    assert "0.0.0.0" not in block
    mounted = re.findall(r"(/\S*deploy/observability/[^\s:]+)", block)
    assert mounted
    assert all(Path(path).exists() for path in mounted)


def test_the_image_has_all_that_the_dockerfile_copies() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert {"sql", "migrations", "pgqueue", "pyproject.toml", "examples"} <= names
    assert {f"!{name}" for name in names} <= set((CHECKOUT / ".dockerignore").read_text().splitlines())
    assert all((CHECKOUT / name).exists() for name in names)


def test_the_gate_is_executable_and_parses() -> None:
    gate = CHECKOUT / ".ci/run"
    assert os.access(gate, os.X_OK)
    subprocess.run(["bash", "-n", gate], check=True)
