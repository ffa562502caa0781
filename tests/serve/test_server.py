"""What a server refuses, in our words, each with its class and cure."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from kith.errors import (
    ConfigurationError,
    CredentialsError,
    ResourceError,
    SourceUnavailableError,
)
from kith.pull.connections import Connection
from kith.serve import serve as serving
from kith.serve.server import Server
from kith_airflow.postgres import Postgres
from tests.serve.stand_in import (
    LOADER,
    Shop,
    as_owner,
    new_shop,
    prepare,
    write_release,
)


def test_where_it_is_says_no_password() -> None:
    server = Server(
        Connection("bi", "postgres", "db.example", 5433, "loader", "s3cret", "marts")
    )
    assert server.name == "db.example:5433/marts"
    assert "s3cret" not in repr(server)
    assert "password=s3cret" in server.conninfo()


@pytest.mark.parametrize(
    ("changed", "kind", "told"),
    [
        ({"password": "wrong"}, CredentialsError, "check login and password"),
        ({"login": "nobody_here"}, CredentialsError, "refuses the login"),
        ({"schema": "nowhere"}, ConfigurationError, "has no such database"),
        ({"host": "/nowhere"}, SourceUnavailableError, "whether the server runs"),
        ({"port": 1}, SourceUnavailableError, "cannot be reached"),
        ({"kind": "mysql"}, ConfigurationError, "expected postgres"),
        ({"extra": {"nonsense": 1}}, ConfigurationError, "does not know an option"),
        ({"login": "stranger"}, CredentialsError, "GRANT CREATE ON DATABASE"),
    ],
)
def test_what_keeps_us_out_is_told_with_a_cure(
    shop: Shop, changed: dict[str, Any], kind: type[Exception], told: str
) -> None:
    write_release(shop.run.published, 1)
    with pytest.raises(kind, match=told) as caught:
        serving.serve(
            shop.run,
            lambda _: Connection(
                **{**shop.connection().__dict__, **changed}  # type: ignore[arg-type]
            ),
        )
    assert type(caught.value) is kind
    assert "connection 'bi'" in str(caught.value)
    assert "it's secret" not in str(caught.value)
    if kind is not ConfigurationError:
        assert caught.value.evidence.thing == "connection bi"  # type: ignore[attr-defined]
    (entry,) = [
        line
        for line in (shop.run.run_folder / "journal.jsonl").read_text().split("\n")
        if '"fail"' in line
    ]
    assert caught.value.failure_class in entry  # type: ignore[attr-defined]


def test_one_that_may_make_no_roles_is_told_what_it_lacks(shop: Shop) -> None:
    write_release(shop.run.published, 1)
    as_owner(shop.server, shop.database, f"alter role {LOADER} nocreaterole")
    try:
        with pytest.raises(CredentialsError, match=f'ALTER ROLE "{LOADER}" CREATEROLE'):
            shop.serve()
    finally:
        as_owner(shop.server, shop.database, f"alter role {LOADER} createrole")
    shop.serve()
    assert shop.batch() == 1


@pytest.fixture
def small(tmp_path: Path, kith_home: Path) -> Any:
    """A server of the test's own, on a disk of its own where that can be had."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("the machine lets a test mount no disk of its own")
    made = Postgres(folder / "postgresql", folder / "log")
    try:
        with made.running():
            prepare(made)
            yield new_shop(made, kith_home)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_server_whose_disk_is_full_or_that_dies_leaves_readers_the_former_release(
    small: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.publish(1)
    write_release(small.run.published, 2, orders=300_000)
    folder = small.server.folder.parent
    filler = folder / "filler"
    with filler.open("wb") as stream:
        stream.write(b"x" * (shutil.disk_usage(folder).free - (8 << 20)))
    with pytest.raises(ResourceError, match="no space left on the server's disk"):
        small.serve()
    filler.unlink()
    assert small.batch() == 1

    def dies(*arguments: Any) -> None:
        process = psutil.Process(
            int((small.server.data / "postmaster.pid").read_text().split()[0])
        )
        for child in process.children():
            if LOADER in " ".join(child.cmdline()):
                os.kill(child.pid, signal.SIGTERM)
        return original(*arguments)

    original = serving.finish_table
    monkeypatch.setattr(serving, "finish_table", dies)
    with pytest.raises(SourceUnavailableError, match="run the task serve again"):
        small.serve()
    monkeypatch.undo()
    assert small.batch() == 1
    small.serve()
    assert small.batch() == 2
    assert len(small.schemas()) == 2
