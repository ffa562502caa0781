import os
import stat
from pathlib import Path

import pytest

from kith import storage
from kith.errors import ConfigurationError
from kith.storage import move_durably, restrict, sha256, sha256_of, state_of, syncing


def test_a_folder_is_moved_once_its_files_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "built", tmp_path / "deep/er/target"
    source.mkdir()
    (source / "a").write_text("a")
    synced = []

    def note(path: Path) -> None:
        synced.append((path.name, target.exists()))

    monkeypatch.setattr(storage, "sync", note)
    move_durably(source, target)
    assert synced == [("a", False), ("built", False), ("er", True)]
    assert not source.exists()
    assert (target / "a").read_text() == "a"


def test_what_is_synced_beside_is_on_the_disk_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    (tmp_path / "a").touch()
    with syncing(tmp_path / "a"):
        pass
    assert len(synced) == 1
    with pytest.raises(FileNotFoundError), syncing(tmp_path / "missing"):
        pass


def test_a_file_that_was_replaced_or_changed_has_another_state(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert state_of(path) == ()
    path.write_text("a")
    first = state_of(path)
    assert state_of(path) == first
    os.utime(path, ns=(0, 1))
    touched = state_of(path)
    path.rename(tmp_path / "b")
    path.write_text("a")
    os.utime(path, ns=(0, 1))
    assert len({first, touched, state_of(path)}) == 3


def test_a_hash_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223")
    assert sha256_of("abc").startswith("6cc43f858fbb763301637b5af970e2a4")


@pytest.mark.parametrize(
    ("before", "after"),
    [(0o777, 0o700), (0o2775, 0o2700), (0o500, 0o500), (None, 0o700)],
)
def test_rights_that_others_have_are_taken_and_none_are_given(
    tmp_path: Path, before: int | None, after: int
) -> None:
    folder = tmp_path / "deep" / "er"
    if before is not None:
        folder.mkdir(parents=True)
        folder.chmod(before)
    umask = os.umask(0)
    try:
        restrict(folder, 0o700)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(folder.stat().st_mode) == after


def test_a_folder_of_somebody_else_that_is_open_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    tmp_path.chmod(0o755)
    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(ConfigurationError, match=r"\(755\).* expected 700; .* chmod"):
        restrict(tmp_path, 0o700)
