"""Files and folders that have to outlive a crash."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kith.errors import ConfigurationError

# Rights to a folder that others read.
READABLE = 0o755


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


def replace_file(path: Path, content: bytes | Path, mode: int | None = None) -> None:
    """Replace a file by other bytes, or by another file beside it, durably.

    A reader finds the former one or the new one, whole. Without `mode` the rights stay.
    """
    unfinished = path.with_name(f".{path.name}.new")
    if isinstance(content, Path):
        unfinished = content
    else:
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(content)
    if mode is not None:
        unfinished.chmod(mode)
    elif path.exists():
        unfinished.chmod(stat.S_IMODE(path.stat().st_mode))
    sync(unfinished)
    unfinished.replace(path)
    sync(path.parent)


def restrict(folder: Path, mode: int) -> None:
    """Make a folder with these rights; from one that is there, take any further ones.

    Raises ConfigurationError where that is not ours to do.
    """
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    found = stat.S_IMODE(folder.stat().st_mode)
    if not found & 0o777 & ~mode:
        return
    try:
        folder.chmod(found & (mode | 0o7000))
    except PermissionError:
        raise ConfigurationError(
            f"{folder}: others have rights to it ({found:o}) that only its owner can "
            f"take away; expected {mode:o}; have its owner run chmod {mode:o}, or "
            "choose another KITH_HOME"
        ) from None


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


def sha256_of(value: Any) -> str:
    """Hash of what a value is as JSON, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()
