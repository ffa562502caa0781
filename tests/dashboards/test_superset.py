"""Superset's home. What starts a real one is tests/bench/superset.py."""

import runpy
import socket
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from kith.company.folder import Company, load_company
from kith.company.postgres import Postgres, Reader
from kith.dashboards.superset import LOCK, SupersetHome, bundles, places
from kith.errors import ConfigurationError
from kith.pull.connections import Connection
from kith.settings import REPOSITORY, load_settings
from kith_airflow.cli import main


@pytest.fixture
def home(kith_home: Path) -> SupersetHome:
    return SupersetHome(load_settings())


@pytest.fixture(scope="module")
def company() -> Company:
    return load_company(REPOSITORY / "tests" / "companies" / "corner_shop")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, uv: str) -> Path:
    """Beside our Python a `uv` that does what is given, and tells of it."""
    folder.mkdir()
    (folder / "uv").write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{uv}\n')
    (folder / "uv").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    return folder / "calls"


# Makes an environment whose Python does nothing.
MAKES = 'if [ "$1" = venv ]; then for v in "$@"; do :; done; mkdir -p "$v/bin"; '
MAKES += (
    'printf "#!/bin/sh\\nexit 0\\n" > "$v/bin/python"; chmod 755 "$v/bin/python"; fi'
)


def test_it_is_set_up_once_and_again_when_its_lock_changes(
    home: SupersetHome,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = programs(tmp_path / "bin", monkeypatch, MAKES)
    home.prepare()
    first = calls.read_text().splitlines()
    assert [line.split()[:2] for line in first] == [
        ["venv", "--allow-existing"],
        ["pip", "sync"],
    ]
    assert "--require-hashes" in first[1]
    assert first[1].endswith(str(LOCK))
    assert capsys.readouterr().out.startswith("Setting up Superset, once")
    home.prepare()
    assert calls.read_text().splitlines() == first
    assert capsys.readouterr().out == ""
    newer = tmp_path / "newer.lock"
    newer.write_text("apache-superset==7.0.0\n")
    monkeypatch.setattr("kith.dashboards.superset.LOCK", newer)
    home.prepare()
    assert len(calls.read_text().splitlines()) == 2 * len(first)


def test_a_setup_that_fails_is_told_and_tried_again(
    home: SupersetHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = programs(tmp_path / "bin", monkeypatch, "echo no room; exit 3")
    for _ in range(2):
        with pytest.raises(
            ConfigurationError, match=r"uv venv .* ended with 3; expected 0.*\.log"
        ):
            home.prepare()
    assert "no room" in home.log.read_text()
    assert len(calls.read_text().splitlines()) == 2


def test_secrets_are_made_up_once_and_are_their_owners_alone(
    home: SupersetHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path / "bin", monkeypatch, MAKES)
    home.prepare()
    file = home.folder / "superset_config.py"
    first, password = runpy.run_path(str(file)), home.password()
    home.prepare()
    assert runpy.run_path(str(file))["SECRET_KEY"] == first["SECRET_KEY"]
    assert home.password() == password
    assert len(first["SECRET_KEY"]) >= 32
    assert first["SECRET_KEY"] != password
    assert mode(home.folder) == 0o700
    for name in ("superset_config.py", "password", "secret_key"):
        assert mode(home.folder / name) == 0o600


def test_pages_may_load_nothing_from_elsewhere(
    home: SupersetHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path / "bin", monkeypatch, MAKES)
    home.prepare()
    values = runpy.run_path(str(home.folder / "superset_config.py"))
    policy = values["TALISMAN_CONFIG"]["content_security_policy"]
    allowed = {word for words in policy.values() for word in words if len(word) > 1}
    assert allowed == {
        "'self'",
        "'unsafe-inline'",
        "'strict-dynamic'",
        "blob:",
        "data:",
    }
    assert policy["default-src"] == ["'self'"]


def test_its_processes_get_no_key_of_ours(
    home: SupersetHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "k" * 32)
    monkeypatch.setenv("AIRFLOW_CONN_BI", "postgresql://a:hush-77d1@db/bi")
    told = home.environment()
    assert "hush-77d1" not in str(told)
    assert not [name for name in told if name.startswith(("KITH_", "AIRFLOW_CONN"))]
    assert told["SUPERSET_HOME"] == str(home.folder)


def test_a_port_that_is_taken_is_told(
    home: SupersetHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("KITH_SUPERSET_PORT", str(port))
        busy = SupersetHome(load_settings())
        with (
            pytest.raises(
                ConfigurationError, match=rf"port {port} .*not free.*KITH_SUPERSET_PORT"
            ),
            busy.server(),
        ):
            pass


def test_without_a_release_there_is_nothing_to_show(
    home: SupersetHome,
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(
        ConfigurationError, match=r"nothing was published yet; .*make run COMPANY="
    ):
        bundles(company, home.settings, [])
    monkeypatch.setenv("COMPANY", str(company.folder))
    assert main(["superset"]) == 1
    assert "nothing was published yet" in capsys.readouterr().err


def test_postgres_is_read_where_its_connection_is_named(
    home: SupersetHome, company: Company
) -> None:
    def found(**keys: Any) -> list[str]:
        readers = [Reader(login="chief", audience="all")]
        declared = Postgres(connection="bi", readers=readers, **keys)
        served = company.model_copy(update={"postgres": declared})
        asked: list[str] = []

        def connection(name: str) -> Connection:
            asked.append(name)
            return Connection(id=name, kind="postgres", host="db", login="chief")

        places_found = places(served, home.settings, connection)
        return [place.key for place in places_found] + asked

    assert [place.key for place in places(company, home.settings, Connection)] == [
        "file"
    ]
    assert found() == ["file"]
    assert found(dashboards_connection="bi_reader") == [
        "file",
        "postgresql",
        "bi_reader",
    ]
