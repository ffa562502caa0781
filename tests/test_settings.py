import os
from pathlib import Path

import pytest

from kith.errors import ConfigurationError
from kith.settings import (
    NO_TELEMETRY,
    REPOSITORY,
    child_environment,
    environment_variable,
    identifier_key,
    load_request,
    load_settings,
    sealed_environment,
)


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("KITH_", "AIRFLOW__")) or name in ("COMPANY", "FROM", "TO"):
            monkeypatch.delenv(name)


def test_without_any_setting_the_demo_runs_in_the_repository() -> None:
    settings = load_settings()
    assert settings.company == REPOSITORY / "companies/demo"
    assert settings.home == REPOSITORY / ".kith"
    assert 1 <= int(settings.memory_limit.removesuffix("GB")) <= 6
    assert settings.threads >= 1
    assert settings.airflow_database == ""


def test_paths_are_those_of_the_repository_or_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KITH_HOME", "state/x")
    monkeypatch.setenv("KITH_COMPANY", "/elsewhere/shop")
    settings = load_settings()
    assert settings.home == REPOSITORY / "state/x"
    assert settings.company == Path("/elsewhere/shop")


def test_a_variable_that_is_empty_counts_as_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("KITH_THREADS", "KITH_PORT", "KITH_IDENTIFIER_KEY", "KITH_X"):
        monkeypatch.setenv(name, "")
    assert load_settings().airflow_port == 8080
    assert identifier_key() is None
    assert environment_variable("KITH_X") is None


def test_what_make_was_asked_for_wins_over_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KITH_COMPANY", "companies/shop")
    assert load_request().company == REPOSITORY / "companies/shop"
    assert load_request().from_day is None
    monkeypatch.setenv("COMPANY", "companies/other")
    monkeypatch.setenv("FROM", "2024-01-01")
    request = load_request()
    assert request.company == REPOSITORY / "companies/other"
    assert (request.from_day, request.to_day) == ("2024-01-01", None)


def test_companies_stand_with_commas_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_COMPANIES", "")
    assert load_settings().companies == ()
    monkeypatch.setenv("KITH_COMPANIES", "companies/one, /else where/two,")
    assert load_settings().companies == (
        REPOSITORY / "companies/one",
        Path("/else where/two"),
    )


def test_arguments_are_cut_as_a_shell_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_request().arguments == []
    monkeypatch.setenv("ARGS", "dags list --columns 'a b'")
    assert load_request().arguments == ["dags", "list", "--columns", "a b"]


def test_a_child_process_phones_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    for environment in (child_environment(EXTRA="x"), sealed_environment(EXTRA="x")):
        assert environment.items() >= {**NO_TELEMETRY, "EXTRA": "x"}.items()


def test_a_sealed_process_gets_nothing_that_may_be_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("KITH_IDENTIFIER_KEY", "AIRFLOW_CONN_CRM", "TILL_PASSWORD"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("TZ", "")
    monkeypatch.delenv("LC_ALL", raising=False)
    environment = sealed_environment()
    assert "secret" not in environment.values()
    assert (environment["PATH"], environment["TZ"]) == ("/bin", "")
    assert "LC_ALL" not in environment


@pytest.mark.parametrize("name", ["KITH_PORT", "KITH_THREADS"])
def test_a_setting_that_is_no_number_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "two")
    with pytest.raises(ConfigurationError, match=f"{name}=two: expected a whole"):
        load_settings()
