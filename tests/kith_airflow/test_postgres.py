"""The server's own PostgreSQL: the real one, without Airflow."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy

from kith.errors import ConfigurationError, KithError
from kith_airflow import postgres as postgres_module
from kith_airflow.postgres import Postgres


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Postgres:
    """One that was made, and does not run."""
    folder = tmp_path_factory.mktemp("postgres")
    made = Postgres(folder / "postgresql", folder / "log")
    with made.running():
        ask(made, "create table noted (note text)")
    return made


def ask(postgres: Postgres, *statements: str) -> list[tuple[object, ...]]:
    engine = sqlalchemy.create_engine(postgres.url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            done = connection.execute(sqlalchemy.text(statement))
        return [tuple(row) for row in done] if done.returns_rows else []


@pytest.fixture
def running(postgres: Postgres) -> Iterator["subprocess.Popen[bytes]"]:
    process = postgres.launch()
    postgres.wait(process)
    yield process
    postgres.end(process)


def test_what_is_committed_is_there_the_next_time(postgres: Postgres) -> None:
    with postgres.running():
        ask(postgres, "insert into noted values ('kept')")
    assert not postgres.answers()
    with postgres.running():
        assert ask(postgres, "select note from noted") == [("kept",)]


def test_only_its_owner_reaches_it_and_no_network(
    postgres: Postgres, running: "subprocess.Popen[bytes]"
) -> None:
    for folder in (postgres.folder, postgres.data):
        assert folder.stat().st_mode & 0o077 == 0, folder
    process = psutil.Process(running.pid)
    assert process.uids().effective != 0
    assert process.net_connections("inet") == []
    socket_folder = Path(postgres.url.partition("host=")[2])
    assert socket_folder.stat().st_mode & 0o077 == 0
    (socket,) = socket_folder.glob(".s.*[0-9]")
    assert socket.is_socket()


def test_what_a_killed_one_has_left_hinders_nobody(
    postgres: Postgres, running: "subprocess.Popen[bytes]"
) -> None:
    running.kill()
    running.wait()
    note = postgres.data / "postmaster.pid"
    lines = note.read_text().splitlines()
    # Its number belongs to somebody else by now.
    note.write_text("\n".join([str(os.getppid()), *lines[1:]]))
    with postgres.running():
        assert ask(postgres, "select 1") == [(1,)]
    assert psutil.pid_exists(os.getppid())


def test_one_that_lives_without_an_owner_is_ended_first(
    postgres: Postgres, running: "subprocess.Popen[bytes]"
) -> None:
    with postgres.running():
        assert running.poll() == 0
        assert ask(postgres, "select 1") == [(1,)]


STARTED = """
import sys, time
from pathlib import Path
from kith_airflow.postgres import Postgres
with Postgres(Path(sys.argv[1]), Path(sys.argv[2])).running():
    print("ready", flush=True)
    time.sleep(60)
"""


def test_it_ends_with_who_needs_it_for_a_while(postgres: Postgres) -> None:
    user = subprocess.Popen(
        [sys.executable, "-c", STARTED, str(postgres.folder), str(postgres.log)],
        stdout=subprocess.PIPE,
    )
    assert user.stdout and user.stdout.readline() == b"ready\n"
    (process,) = psutil.Process(user.pid).children()
    user.send_signal(signal.SIGKILL)
    user.communicate()
    deadline = time.monotonic() + 20
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, process
        time.sleep(0.1)


def test_where_the_path_is_too_long_its_socket_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("long" * 25)
    monkeypatch.setattr(postgres_module, "_command", lambda command, more=(): ["true"])
    one, other = Postgres(folder, tmp_path / "log"), Postgres(folder, tmp_path / "x")
    socket_folder = Path(one.url.partition("host=")[2])
    assert one.url == other.url
    assert len(str(socket_folder)) < 60
    (folder / "data").mkdir(parents=True)
    try:
        one.launch().wait()
        assert socket_folder.stat().st_mode & 0o777 == 0o700
        socket_folder.chmod(0o777)
        with pytest.raises(ConfigurationError, match=f"{socket_folder}: expected a"):
            one.launch()
        socket_folder.rmdir()
        socket_folder.symlink_to(tmp_path)  # Such as one that somebody else has made.
        with pytest.raises(ConfigurationError, match=f"{socket_folder}: expected a"):
            one.launch()
        socket_folder.unlink()
    finally:
        if socket_folder.is_dir():
            socket_folder.rmdir()


def test_why_it_cannot_start_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres = Postgres(tmp_path / "postgresql", tmp_path / "log")
    address = "address of another PostgreSQL with AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    monkeypatch.setattr(postgres_module, "_command", lambda command, more=(): ["false"])
    with pytest.raises(ConfigurationError, match=f"could not make .*{address}"):
        postgres.launch()
    postgres.data.mkdir()
    with (
        pytest.raises(KithError, match=f"did not start; see why in {postgres.log}"),
        postgres.running(),
    ):
        pass
    monkeypatch.undo()
    monkeypatch.setattr(postgres_module, "_PACKAGE", "no_such_package")
    with pytest.raises(ConfigurationError, match="package no_such_package brings no"):
        postgres.launch()


def test_as_root_it_needs_a_program_that_gives_up_rights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    called = postgres_module._command(["postgres", "-D", "x"])
    assert {"--reuid=65534", "--clear-groups"} < set(called)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ConfigurationError, match="needs the program setpriv"):
        postgres_module._command(["postgres", "-D", "x"])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert postgres_module._command(["postgres", "-D", "x"])[1:] == ["-D", "x"]
