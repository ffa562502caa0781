"""Packed files: .gz, .zst, .bz2, .xz and .zip, one in the other if need be.

Nothing is ever written under a name that an archive tells. DuckDB could stream .gz and
.zst while it reads text, but takes what was cut off for the end of the file; and plain
text it reads with all threads.
"""

import bz2
import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

from kith.errors import DeliveryError

_IS_ENCRYPTED = 1
_CHUNK_BYTES = 1 << 20


def _open_by_arrow(compression: str) -> Callable[[Path], Any]:
    def open_packed(path: Path) -> Any:
        # Imported here, since it takes as long as a small delivery.
        import pyarrow as pa

        return pa.input_stream(str(path), compression=compression)

    return open_packed


_OPENERS: dict[str, Callable[[Path], Any]] = {
    ".gz": _open_by_arrow("gzip"),
    ".zst": _open_by_arrow("zstd"),
    ".bz2": bz2.open,
    ".xz": lzma.open,
}


@dataclass(frozen=True)
class Part:
    """A file to be read.

    Attributes:
        origin: Its name as people know it.
        name: The name that tells its kind: what is unpacked has lost a suffix.
        path: Where it lies.
        is_ours: Whether that is the workspace, where it may be moved or deleted.
    """

    origin: str
    name: str
    path: Path
    is_ours: bool

    @property
    def suffix(self) -> str:
        """Last suffix of the name, in lower case."""
        return PurePosixPath(self.name).suffix.lower()

    def discard(self) -> None:
        """Free its space once it has been read."""
        if self.is_ours:
            self.path.unlink(missing_ok=True)


def unpack(part: Part, workspace: Path) -> Iterator[Part]:
    """The files in a file: itself, its content, or each member of an archive.

    Raises DeliveryError when an archive is empty or protected, and OSError or EOFError
    when it is damaged.
    """
    if part.suffix == ".zip":
        for member in _members(part, workspace):
            yield from unpack(member, workspace)
        part.discard()
    elif part.suffix in _OPENERS:
        with _OPENERS[part.suffix](part.path) as content:
            path = _copy(content, workspace)
        part.discard()
        name = part.name[: -len(part.suffix)]
        yield from unpack(replace(part, name=name, path=path, is_ours=True), workspace)
    else:
        yield part


def _members(part: Part, workspace: Path) -> Iterator[Part]:
    with _damage_told(), zipfile.ZipFile(part.path) as archive:
        members = [
            member
            for member in archive.infolist()
            # macOS adds shadows of its own to an archive.
            if not member.is_dir()
            and not member.filename.startswith("__MACOSX/")
            and PurePosixPath(member.filename).name != ".DS_Store"
        ]
        if not members:
            raise DeliveryError(
                f"{part.origin}: the archive holds no file; have it delivered again"
            )
        for member in members:
            origin = f"{part.origin}/{member.filename}"
            if member.flag_bits & _IS_ENCRYPTED:
                raise DeliveryError(
                    f"{origin}: is protected by a password; have it delivered without"
                )
            with archive.open(member) as content:
                path = _copy(content, workspace)
            yield Part(
                origin if len(members) > 1 else part.origin,
                PurePosixPath(member.filename).name,
                path,
                is_ours=True,
            )


def _copy(content: IO[bytes], workspace: Path) -> Path:
    with (
        _damage_told(),
        tempfile.NamedTemporaryFile(dir=workspace, delete=False) as copy,
    ):
        shutil.copyfileobj(content, copy, _CHUNK_BYTES)
    return Path(copy.name)


@contextmanager
def _damage_told() -> Iterator[None]:
    """Raise OSError where the unpackers have errors of their own."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        lzma.LZMAError,
        zlib.error,
        NotImplementedError,
    ) as error:
        raise OSError(str(error)) from error
