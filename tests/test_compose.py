"""docker-compose.yml, read as a file; `tests.bench.compose` starts it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kith.settings import NO_TELEMETRY, REPOSITORY, load_settings
from kith_airflow.cli import main
from kith_airflow.home import AirflowHome

TEXT = (REPOSITORY / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {"init", "api-server", "scheduler", "dag-processor", "triggerer", "worker"}


def test_services_and_profile() -> None:
    assert set(SERVICES) == OURS | {"db", "redis"}
    with_profile = {n for n, s in SERVICES.items() if s.get("profiles") == ["celery"]}
    assert with_profile == {"redis", "worker"}
    assert all("profiles" not in SERVICES[n] for n in set(SERVICES) - with_profile)


def test_no_secret_has_a_default() -> None:
    names = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "KITH_FERNET_KEY"}
    names |= {"KITH_API_SECRET", "KITH_JWT_SECRET"}
    used = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|KEY)\w*)(.*?)\}", TEXT)
    assert {name for name, _ in used} == names
    assert {rest for _, rest in used} == {":?set in .env"}
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD$|SECRET|FERNET", name):
                assert re.fullmatch(r"\$\{\w+:\?set in \.env\}", value), name


def test_example_names_every_variable_and_holds_no_secret() -> None:
    example = dict(
        line.split("=", 1)
        for line in (REPOSITORY / ".env.example").read_text().splitlines()
        if re.match(r"^\w+=", line)
    )
    assert set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT)) <= set(example)
    for name, value in example.items():
        if re.search("PASSWORD|SECRET|FERNET|CONN", name):
            assert value == "", name
    settings = (REPOSITORY / "plugins/kith/settings.py").read_text()
    assert set(re.findall(r'"(KITH_\w+)"', settings)) <= set(example)


def test_metadata_lie_in_postgres_and_the_executor_is_local_by_default() -> None:
    environment = SERVICES["scheduler"]["environment"]
    connection = environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert connection.startswith("postgresql+psycopg2://")
    executor = environment["AIRFLOW__CORE__EXECUTOR"]
    assert executor == "${KITH_EXECUTOR:-LocalExecutor}"
    assert SERVICES["db"]["volumes"] == ["metadata:/var/lib/postgresql/data"]
    assert set(COMPOSE["volumes"]) == {"metadata", "queue"}


@pytest.mark.parametrize("executor", ["LocalExecutor", "CeleryExecutor"])
def test_the_executors_of_the_file_can_be_loaded(executor: str) -> None:
    """The versions in the lock fit each other: Celery's provider breaks with some."""
    environment = os.environ | {"AIRFLOW__CORE__EXECUTOR": executor}
    loads = (
        "from airflow.executors.executor_loader import ExecutorLoader as loader; "
        "print(loader.import_default_executor_cls()[0].__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", loads],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split()[-1:] == [executor], done.stderr


def test_every_service_that_stays_is_checked() -> None:
    for name in set(SERVICES) - {"init"}:
        assert SERVICES[name]["healthcheck"]["test"], name
        assert SERVICES[name]["restart"] == "unless-stopped", name


def test_everything_waits_for_the_migrated_database() -> None:
    for name in OURS - {"init"}:
        waits = SERVICES[name]["depends_on"]
        assert waits["db"]["condition"] == "service_healthy"
        assert waits["init"]["condition"] == "service_completed_successfully"
    # Migrates the metadata, makes pools and DAG files: tests/kith_airflow/test_home.py.
    assert "python -m kith_airflow prepare\n" in SERVICES["init"]["command"][-1]


def test_containers_find_what_init_prepares(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kith_airflow.home.REPOSITORY", Path("/opt/kith"))
    expected = AirflowHome(load_settings()).environment()
    environment = SERVICES["scheduler"]["environment"]
    assert environment["KITH_HOME"] == "/var/lib/kith"
    for name in (
        "PYTHONPATH",
        "AIRFLOW_HOME",
        "AIRFLOW__CORE__DAGS_FOLDER",
        "AIRFLOW__CORE__PLUGINS_FOLDER",
        "AIRFLOW__CORE__LOAD_EXAMPLES",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT",
        "AIRFLOW__CORE__PARALLELISM",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
    ):
        wanted = expected[name].replace(str(kith_home), "/var/lib/kith")
        assert environment[name] == wanted, name


def test_prepare_prepares_the_companies_that_are_named(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[dict[str, Path]] = []
    monkeypatch.setattr(
        AirflowHome, "prepare", lambda self, companies: prepared.append(companies)
    )
    monkeypatch.setenv("KITH_COMPANIES", "tests/companies/corner_shop")
    assert main(["prepare"]) == 0
    assert prepared == [{"corner_shop": REPOSITORY / "tests/companies/corner_shop"}]
    assert AirflowHome(load_settings()).password_file.is_file()


def test_image_takes_the_lock_with_hashes() -> None:
    dockerfile = SERVICES["scheduler"]["build"]["dockerfile_inline"]
    assert dockerfile.startswith("FROM python:3.11-slim\n")
    assert "pip install --no-cache-dir --require-hashes" in dockerfile
    assert re.search(r"uv pip sync .*--require-hashes requirements\.lock", dockerfile)


def test_page_listens_on_this_machine_only_and_current_is_not_mounted() -> None:
    assert SERVICES["api-server"]["ports"] == ["127.0.0.1:${KITH_PORT:-8080}:8080"]
    for service in SERVICES.values():
        assert not any(re.search("current", v) for v in service.get("volumes", []))


def test_no_container_phones_home() -> None:
    for name in OURS:
        environment = SERVICES[name]["environment"]
        for variable, value in NO_TELEMETRY.items():
            assert environment[variable].lower() == value, (name, variable)


def test_docker_compose_accepts_the_file(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if (
        not docker
        or subprocess.run(
            [docker, "compose", "version"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("no docker client with compose at hand")
    env_file = tmp_path / "env"
    example = (REPOSITORY / ".env.example").read_text()
    env_file.write_text(re.sub(r"(?m)^(\w+)=$", r"\1=x", example))
    command = [docker, "compose", "--env-file", str(env_file), "--profile", "celery"]
    done = subprocess.run(
        [*command, "config", "--quiet"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
