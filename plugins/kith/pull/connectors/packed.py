"""Packed files: .gz, .zst and .zip, one in the other if need be.

Nothing is ever written under a name that an archive tells. DuckDB could stream .gz and
.zst while it reads text, but takes what was cut off for the end of the file; and plain
text it reads with all threads.
"""

import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from kith.company.tables import UNPACKED_LIMIT_GB
from kith.errors import DeliveryError
from kith.pull.connectors.strays import is_stray

# Arrow's name of the compression of each suffix.
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
PACKINGS = (*_COMPRESSIONS, ".zip")
_IS_ENCRYPTED = 1
_CHUNK_BYTES = 1 << 20
_BYTES_OF_GB = 1_000_000_000


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


class _Room:
    """What may still be unpacked of a delivered file, with all that is packed in it.

    A file of some kilobytes can hold the same byte so often that it fills any disk.
    """

    def __init__(self, file: Member, limit_gb: float) -> None:
        self._origin, self._packed = file.origin, file.path.stat().st_size
        self._limit_gb = limit_gb
        self._left = limit_gb * _BYTES_OF_GB

    def take(self, count: int) -> None:
        """Take so many bytes; raises DeliveryError where they are too many."""
        self.check(count)
        self._left -= count

    def check(self, count: int) -> None:
        """Raise DeliveryError where so many bytes are too many."""
        if count > self._left:
            raise DeliveryError(
                f"{self._origin}: its {self._packed:,} bytes unpack to more than "
                f"unpacked_limit_gb {self._limit_gb:g}; expected no more than that; "
                "have it delivered again, or, if it is right, raise unpacked_limit_gb "
                "of the table in sources.yml"
            )


def unpack(
    file: Member, workspace: Path, limit_gb: float = UNPACKED_LIMIT_GB
) -> Iterator[Member]:
    """The files in a file: itself, its content, or each member of an archive.

    Raises DeliveryError when an archive is empty or protected, or when all together
    unpacks to more than `limit_gb`, counted while it is unpacked; and OSError when it
    is damaged.
    """
    yield from _unpack(file, workspace, _Room(file, limit_gb))


def _unpack(file: Member, workspace: Path, room: _Room) -> Iterator[Member]:
    if file.suffix == ".zip":
        for member in _members(file, workspace, room):
            yield from _unpack(member, workspace, room)
        file.discard()
    elif file.suffix in _COMPRESSIONS:
        # Imported here, since it takes as long as a small delivery.
        import pyarrow as pa

        compression = _COMPRESSIONS[file.suffix]
        with pa.input_stream(str(file.path), compression=compression) as content:
            path = _copy(content, workspace, room)
        file.discard()
        name = file.name[: -len(file.suffix)]
        content_of = replace(file, name=name, path=path, is_ours=True)
        yield from _unpack(content_of, workspace, room)
    else:
        yield file


def _members(file: Member, workspace: Path, room: _Room) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(file.path) as archive:
            entries = [
                entry
                for entry in archive.infolist()
                if not entry.is_dir() and not is_stray(entry.filename)
            ]
            if not entries:
                raise DeliveryError(
                    f"{file.origin}: the archive holds no file; have it delivered again"
                )
            # What it says of itself, which may be untrue, is counted below.
            room.check(sum(entry.file_size for entry in entries))
            for entry in entries:
                origin = f"{file.origin}/{entry.filename}"
                if entry.flag_bits & _IS_ENCRYPTED:
                    raise DeliveryError(
                        f"{origin}: is protected by a password; have it delivered "
                        "without"
                    )
                with archive.open(entry) as content:
                    path = _copy(content, workspace, room)
                yield Member(
                    origin if len(entries) > 1 else file.origin,
                    PurePosixPath(entry.filename).name,
                    path,
                    is_ours=True,
                )
    except (
        zipfile.BadZipFile,
        lzma.LZMAError,
        zlib.error,
        NotImplementedError,
    ) as error:
        raise OSError(str(error)) from error


def _copy(content: IO[bytes], workspace: Path, room: _Room) -> Path:
    with tempfile.NamedTemporaryFile(dir=workspace, delete=False) as copy:
        path = Path(copy.name)
        try:
            while chunk := content.read(_CHUNK_BYTES):
                room.take(len(chunk))
                copy.write(chunk)
        except BaseException:
            path.unlink()  # Others need the space.
            raise
    return path
