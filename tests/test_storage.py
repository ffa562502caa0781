import os
from pathlib import Path

import pytest

from kith import storage
from kith.storage import move_durably, sha256, state_of, syncing


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
