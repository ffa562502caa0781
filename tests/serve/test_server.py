"""What a server refuses, in our words, each with its class and cure."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from tests.serve.stand_in import (
    LOADER,
    Shop,
    as_owner,
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
def small_disk() -> Iterator[Path]:
    """A folder with little room, on a way that the server's own user may go."""
    folder = Path(tempfile.mkdtemp(prefix="kith_small_"))
    folder.chmod(0o711)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip("the machine lets a test mount no disk of its own")
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def test_a_full_disk_of_the_server_leaves_readers_the_former_release(
    shop: Shop, small_disk: Path
) -> None:
    shop.publish(1)
    place = small_disk / "tables"
    place.mkdir()
    data = shop.server.data.stat()
    os.chown(place, data.st_uid, data.st_gid)
    as_owner(
        shop.server, "postgres", f"create tablespace {shop.name} location '{place}'"
    )
    as_owner(
        shop.server,
        "postgres",
        f"alter database {shop.name} set tablespace {shop.name}",
    )
    write_release(shop.run.published, 2, orders=200_000)
    filler = small_disk / "filler"
    try:
        # On a full disk PostgreSQL itself may refuse a new session.
        with shop.session("chief") as reader:
            query = f"select distinct batch from {shop.name}_segment.segments"
            assert reader.execute(query).fetchall() == [(1,)]
            with filler.open("wb") as stream:
                stream.write(b"x" * (shutil.disk_usage(small_disk).free - (4 << 20)))
            with pytest.raises(ResourceError, match="no space left on the server's"):
                shop.serve()
            assert reader.execute(query).fetchall() == [(1,)]
        filler.unlink()
        shop.serve()
        assert (shop.batch(), len(shop.schemas())) == (2, 2)
    finally:
        filler.unlink(missing_ok=True)
        as_owner(shop.server, "postgres", f"drop database {shop.name} with (force)")
        as_owner(shop.server, "postgres", f"drop tablespace {shop.name}")


def test_a_server_that_ends_our_sessions_leaves_readers_the_former_release(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.publish(1)
    write_release(shop.run.published, 2)
    original = serving.finish_table

    def ended(*arguments: Any) -> None:
        as_owner(
            shop.server,
            shop.database,
            "select pg_terminate_backend(pid) from pg_stat_activity "
            f"where usename = '{LOADER}' and datname = '{shop.database}'",
        )
        original(*arguments)

    monkeypatch.setattr(serving, "finish_table", ended)
    with pytest.raises(SourceUnavailableError, match="run the task serve again"):
        shop.serve()
    monkeypatch.undo()
    assert shop.batch() == 1
    shop.serve()
    assert (shop.batch(), len(shop.schemas())) == (2, 2)
