"""Files and folders that have to outlive a crash."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def syncing(path: Path) -> Iterator[None]:
    """Bring a file to the disk while something else is done that only reads it."""
    with ThreadPoolExecutor(1) as beside:
        synced = beside.submit(sync, path)
        yield
        synced.result()


def move_durably(source: Path, target: Path) -> None:
    """Rename a folder once the files in it are on the disk."""
    for path in [*source.iterdir(), source]:
        sync(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    sync(target.parent)


def state_of(path: Path) -> tuple[int, ...]:
    """What tells one state of a file from the next; of no file nothing."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def sha256(path: Path) -> str:
    """Hash of a file's content, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
