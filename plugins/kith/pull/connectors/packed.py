"""Packed files: .gz, .zst, .bz2, .xz and .zip, one in the other if need be.

Nothing is ever written under a name that an archive tells. DuckDB could stream .gz and
.zst while it reads text, but takes what was cut off for the end of the file; and plain
text it reads with all threads.
"""

import bz2
import lzma
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


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: content.read(_CHUNK_BYTES), b"")


def _by_arrow(compression: str) -> Callable[[Path], Iterator[bytes]]:
    def unpacked(path: Path) -> Iterator[bytes]:
        # Imported here, since it takes as long as a small delivery.
        import pyarrow as pa

        with pa.input_stream(str(path), compression=compression) as content:
            yield from _chunks(content)

    return unpacked


def _stream_by_stream(start: Callable[[], Any]) -> Callable[[Path], Iterator[bytes]]:
    """Of streams one behind the other each must be whole.

    What `bz2.open` and `lzma.open` give ends without a word before a damaged one.
    """

    def unpacked(path: Path) -> Iterator[bytes]:
        stream = start()
        with path.open("rb") as packed:
            for chunk in _chunks(packed):
                while chunk:
                    if stream.eof:
                        chunk = chunk.lstrip(b"\0")  # A file may be padded with them.
                        if not chunk:
                            break
                        stream = start()
                    yield stream.decompress(chunk, _CHUNK_BYTES)
                    while not (stream.eof or stream.needs_input):
                        yield stream.decompress(b"", _CHUNK_BYTES)
                    chunk = stream.unused_data
        if not stream.eof:
            raise EOFError("the packed file ends before its content does")

    return unpacked


_UNPACKERS: dict[str, Callable[[Path], Iterator[bytes]]] = {
    ".gz": _by_arrow("gzip"),
    ".zst": _by_arrow("zstd"),
    ".bz2": _stream_by_stream(bz2.BZ2Decompressor),
    ".xz": _stream_by_stream(lzma.LZMADecompressor),
}


@dataclass(frozen=True)
class Member:
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


def unpack(file: Member, workspace: Path) -> Iterator[Member]:
    """The files in a file: itself, its content, or each member of an archive.

    Raises DeliveryError when an archive is empty or protected, and OSError or EOFError
    when it is damaged.
    """
    if file.suffix == ".zip":
        for member in _members(file, workspace):
            yield from unpack(member, workspace)
        file.discard()
    elif file.suffix in _UNPACKERS:
        path = _copy(_UNPACKERS[file.suffix](file.path), workspace)
        file.discard()
        name = file.name[: -len(file.suffix)]
        yield from unpack(replace(file, name=name, path=path, is_ours=True), workspace)
    else:
        yield file


def _members(file: Member, workspace: Path) -> Iterator[Member]:
    with _damage_told(), zipfile.ZipFile(file.path) as archive:
        entries = [
            entry
            for entry in archive.infolist()
            # macOS adds shadows of its own to an archive.
            if not entry.is_dir()
            and not entry.filename.startswith("__MACOSX/")
            and PurePosixPath(entry.filename).name != ".DS_Store"
        ]
        if not entries:
            raise DeliveryError(
                f"{file.origin}: the archive holds no file; have it delivered again"
            )
        for entry in entries:
            origin = f"{file.origin}/{entry.filename}"
            if entry.flag_bits & _IS_ENCRYPTED:
                raise DeliveryError(
                    f"{origin}: is protected by a password; have it delivered without"
                )
            with archive.open(entry) as content:
                path = _copy(_chunks(content), workspace)
            yield Member(
                origin if len(entries) > 1 else file.origin,
                PurePosixPath(entry.filename).name,
                path,
                is_ours=True,
            )


def _copy(content: Iterator[bytes], workspace: Path) -> Path:
    with (
        _damage_told(),
        tempfile.NamedTemporaryFile(dir=workspace, delete=False) as copy,
    ):
        copy.writelines(content)
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
