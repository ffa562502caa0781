"""Writers on machines that share no file lock: one at a time by PostgreSQL."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from kith.errors import (
    ConfigurationError,
    CredentialsError,
    SourceUnavailableError,
    TransientError,
)
from kith.runs.locks import writer_lock
from kith.settings import REPOSITORY
from kith_airflow.postgres import Postgres

WRITER = f"""
import sys, time
sys.path.insert(0, {str(REPOSITORY / "plugins")!r})
from pathlib import Path
from kith.runs import locks
# Another machine, to which the storage does not carry file locks.
locks.fcntl.flock = lambda *_: None
with locks.writer_lock(Path(sys.argv[1])) as held:
    print("begun", flush=True)
    exec(sys.argv[2])
print("ended", flush=True)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder = tmp_path_factory.mktemp("locks")
    made = Postgres(folder / "postgresql", folder / "log")
    with made.running():
        yield made


def address_of(server: Postgres) -> str:
    return server.url.replace("+psycopg2", "")


@pytest.fixture
def address(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("KITH_LOCK_DATABASE", address_of(server))
    return address_of(server)


@contextmanager
def elsewhere(place: Path, code: str) -> Iterator["subprocess.Popen[str]"]:
    """A writer on another machine, which does `code` while it holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(place), code],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def next_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def waiting(address: str) -> int:
    with psycopg.connect(address) as session:
        row = session.execute(
            "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        ).fetchone()
    return int(row[0]) if row else 0


def until_one_waits(address: str) -> None:
    for _ in range(300):
        if waiting(address):
            return
        time.sleep(0.1)
    raise AssertionError("nobody waits for the lock")


def test_writers_on_two_machines_wait_for_each_other(
    address: str, tmp_path: Path
) -> None:
    with elsewhere(tmp_path, "time.sleep(60)") as first:
        assert next_line(first) == "begun"
        with elsewhere(tmp_path, "pass") as second:
            assert next_line(second) == f"Waiting for who writes to {tmp_path} …"
            until_one_waits(address)
            first.kill()
            assert [next_line(second), next_line(second)] == ["begun", "ended"]


def test_without_the_database_they_do_not(tmp_path: Path) -> None:
    """Only the lock of the database keeps the writers of the test above apart."""
    with elsewhere(tmp_path, "time.sleep(60)") as first:
        assert next_line(first) == "begun"
        with elsewhere(tmp_path, "pass") as second:
            assert next_line(second) == "begun"


def test_another_company_need_not_wait(address: str, tmp_path: Path) -> None:
    with elsewhere(tmp_path / "one", "time.sleep(60)") as first:
        assert next_line(first) == "begun"
        with elsewhere(tmp_path / "two", "pass") as second:
            assert next_line(second) == "begun"


def test_the_child_of_a_killed_writer_keeps_the_lock(
    address: str, tmp_path: Path
) -> None:
    code = (
        "import subprocess; child = subprocess.Popen(['sleep', '60'], pass_fds=held,"
        " stdout=subprocess.DEVNULL); print(child.pid, flush=True); time.sleep(60)"
    )
    with elsewhere(tmp_path, code) as first:
        assert next_line(first) == "begun"
        child = int(next_line(first))
        first.kill()
        first.wait()
        with elsewhere(tmp_path, "pass") as second:
            assert next_line(second).startswith("Waiting")
            until_one_waits(address)
            subprocess.run(["kill", str(child)], check=True)
            assert next_line(second) == "begun"


def test_who_does_not_wait_is_told(address: str, tmp_path: Path) -> None:
    with elsewhere(tmp_path, "time.sleep(60)") as first:
        assert next_line(first) == "begun"
        with (
            pytest.raises(TransientError, match="somebody works there"),
            writer_lock(tmp_path, waits=False),
        ):
            pass


def test_a_lost_lock_is_an_error(address: str, tmp_path: Path) -> None:
    with (
        pytest.raises(SourceUnavailableError, match="with it went the lock"),
        writer_lock(tmp_path),
        psycopg.connect(address, autocommit=True) as other,
    ):
        other.execute(
            "select pg_terminate_backend(pid) from pg_locks "
            "where locktype = 'advisory' and granted"
        )


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ("postgresql://u:s3cret@%%", ConfigurationError, "not an address"),
        ("postgresql://u:s3cret@127.0.0.1:9/x", SourceUnavailableError, "reached"),
    ],
)
def test_an_address_that_does_not_serve_is_told_without_its_password(
    given: str,
    error: type[Exception],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KITH_LOCK_DATABASE", given)
    with pytest.raises(error, match=says) as raised, writer_lock(tmp_path):
        pass
    assert "KITH_LOCK_DATABASE" in str(raised.value)
    assert "s3cret" not in f"{raised.value!r}{raised.value.__cause__!r}"


def test_a_refused_login_is_told(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = address_of(server).replace("airflow@", "nobody_here@")
    monkeypatch.setenv("KITH_LOCK_DATABASE", address)
    with pytest.raises(CredentialsError, match="nobody_here"), writer_lock(tmp_path):
        pass
