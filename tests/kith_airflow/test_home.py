"""Who owns an Airflow home, its secrets, and the end of a session of processes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from kith.errors import ConfigurationError
from kith.settings import load_settings
from kith.storage import restrict
from kith_airflow.home import LAUNCH, AirflowHome, Ownership, end_session, last_line
from kith_airflow.postgres import Postgres


@pytest.fixture
def home(kith_home: Path) -> AirflowHome:
    return AirflowHome(load_settings())


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_secrets_are_made_once_and_for_the_owner_only(home: AirflowHome) -> None:
    password = home.password()
    environment = home.environment()
    assert len(password) >= 16
    assert mode(home.folder) == 0o700
    assert mode(home.password_file) == mode(home.folder / "keys.json") == 0o600
    again = AirflowHome(load_settings())
    assert again.password() == password
    assert again.environment() == environment
    keys = json.loads((home.folder / "keys.json").read_text())
    assert len(set(keys.values())) == 3


def test_a_given_database_is_respected(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    assert AirflowHome(load_settings()).environment()[name] == (
        f"sqlite:///{kith_home}/airflow/airflow.db?timeout=25"
    )
    serving = AirflowHome(load_settings(), serves=True)
    assert serving.postgres
    assert serving.environment()[name] == serving.postgres.url
    given = "postgresql+psycopg2://u@h/airflow"
    monkeypatch.setenv(name, given)
    for serves in (False, True):
        home = AirflowHome(load_settings(), serves)
        assert home.postgres is None
        assert home.environment()[name] == given


def test_no_process_phones_home(home: AirflowHome) -> None:
    environment = home.environment()
    assert environment["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "false"
    assert environment["DO_NOT_TRACK"] == "1"


def test_an_address_for_everybody_is_reached_locally(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert AirflowHome(load_settings()).url == "http://127.0.0.1:8080"
    monkeypatch.setenv("KITH_HOST", "0.0.0.0")  # noqa: S104
    monkeypatch.setenv("KITH_PORT", "9090")
    home = AirflowHome(load_settings())
    assert home.url == "http://127.0.0.1:9090"
    assert home.environment()["AIRFLOW__API__HOST"] == "0.0.0.0"  # noqa: S104


def test_on_a_server_each_company_gets_its_dag_file_and_its_pools_once(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    monkeypatch.setenv(database, "sqlite:////tmp/old.db")
    home = AirflowHome(load_settings(), serves=True)
    called: list[list[str]] = []
    pools: list[str] = []

    def airflow(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        called.append(command[len(LAUNCH) :])
        if "pools" in command:
            pools.extend(json.loads(Path(command[-1]).read_text()))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", airflow)
    one, other = Path("/companies/one"), Path("/companies/other")
    home.prepare({"one": one})
    assert [command[:2] for command in called] == [
        ["db", "migrate"],
        ["pools", "import"],
    ]
    assert pools == ["warehouse__one", "watch__one"]
    home.prepare({"one": one})
    assert len(called) == 2, "once"
    (home.dags / "of_a_team.py").touch()
    home.prepare({"other": other, "one": one})
    assert [command[0] for command in called[2:]] == ["pools"]
    assert pools[2:] == ["warehouse__other", "watch__other"]
    home.prepare({"other": other})
    assert sorted(path.name for path in home.dags.iterdir()) == [
        "customer_marts__other.py",
        "of_a_team.py",
    ]
    home.prepare({"other": other, "one": one})
    assert len(called) == 3
    monkeypatch.setenv(database, "sqlite:////tmp/new.db")
    AirflowHome(load_settings(), serves=True).prepare({"one": one})
    assert [command[0] for command in called[3:]] == ["db", "pools"]


def test_a_run_in_a_process_of_its_own_needs_no_pools(
    home: AirflowHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str]] = []

    def airflow(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        called.append(command[len(LAUNCH) :])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", airflow)
    for _ in range(2):
        home.prepare({"one": Path("/companies/one")})
    assert called == [["db", "migrate"]]
    assert (home.dags / "customer_marts__one.py").exists()


def test_a_server_prepares_its_own_database_while_that_runs(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    @contextmanager
    def running(postgres: Postgres) -> Iterator[None]:
        restrict(postgres.folder, 0o700)
        called.append("up")
        yield
        called.append("down")

    def airflow(command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        assert "postgresql+psycopg2" in str(more["env"].values())
        called.append(command[len(LAUNCH)])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(Postgres, "running", running)
    monkeypatch.setattr(subprocess, "run", airflow)
    home = AirflowHome(load_settings(), serves=True)
    companies = {"one": Path("/companies/one")}
    home.prepare(companies)
    assert called == ["up", "db", "pools", "down"]
    home.prepare(companies)
    assert called[4:] == []
    # Its data are gone, and so is what was known of them.
    assert home.postgres
    shutil.rmtree(home.postgres.folder)
    home.prepare(companies)
    assert called[4:] == ["up", "db", "pools", "down"]


def test_a_preparation_that_fails_says_why(
    home: AirflowHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kith_airflow.home.LAUNCH",
        [sys.executable, "-c", "raise SystemExit('no room')"],
    )
    with pytest.raises(ConfigurationError, match=r"airflow db migrate ended .*no room"):
        home.prepare({"one": Path("/companies/one")})
    assert not (home.folder / "prepared.json").exists()


def test_one_owner_at_a_time_who_leaves_a_note(home: AirflowHome) -> None:
    first, second = Ownership(home), Ownership(home)
    assert first.acquire()
    first.write_note("run", 42)
    assert not second.acquire()
    assert second.owner() == {"kind": "run", "pid": 42}
    first.release()
    assert second.acquire()
    assert second.owner() == {}, "the note of the owner before is gone"
    second.release()


def test_a_process_that_inherited_the_lock_keeps_it(home: AirflowHome) -> None:
    ownership = Ownership(home)
    assert ownership.acquire()
    heir = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        pass_fds=ownership.inheritance,
    )
    ownership.release()
    assert not Ownership(home).acquire()
    heir.communicate(b"\n")
    assert ownership.acquire()
    ownership.release()


SESSION = """
import subprocess, sys, time
stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True)"
child = subprocess.Popen([sys.executable, "-c", stubborn + "; time.sleep(60)"],
                         process_group=0, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_session_ends_with_its_stubborn_groups_and_nothing_else() -> None:
    foreign = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    )
    leader = subprocess.Popen(
        [sys.executable, "-c", SESSION], start_new_session=True, stdout=subprocess.PIPE
    )
    assert leader.stdout
    child = psutil.Process(int(leader.stdout.readline()))
    end_session(leader.pid, 0.5, {child.pid})
    leader.communicate(timeout=5)
    assert child.is_running(), "it was spared"
    end_session(leader.pid, 0.5)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert foreign.poll() is None
    foreign.kill()
    foreign.wait()


def test_last_line_skips_empty_ones(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\ntwo\n\n")
    assert last_line(log) == "two"
    log.write_text("")
    assert last_line(log) == "(no output)"
