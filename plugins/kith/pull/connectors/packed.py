"""Packed files: .gz, .zst and .zip, one in the other if need be.

Nothing is ever written under a name that an archive tells. DuckDB could stream .gz and
.zst while it reads text, but takes what was cut off for the end of the file; and plain
text it reads with all threads.
"""

import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from kith.errors import DeliveryError
from kith.pull.connectors.strays import is_stray

# Arrow's name of the compression of each suffix.
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
PACKINGS = (*_COMPRESSIONS, ".zip")
_IS_ENCRYPTED = 1
_CHUNK_BYTES = 1 << 20


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

    Raises DeliveryError when an archive is empty or protected, and OSError when it is
    damaged.
    """
    if file.suffix == ".zip":
        for member in _members(file, workspace):
            yield from unpack(member, workspace)
        file.discard()
    elif file.suffix in _COMPRESSIONS:
        # Imported here, since it takes as long as a small delivery.
        import pyarrow as pa

        compression = _COMPRESSIONS[file.suffix]
        with pa.input_stream(str(file.path), compression=compression) as content:
            path = _copy(content, workspace)
        file.discard()
        name = file.name[: -len(file.suffix)]
        yield from unpack(replace(file, name=name, path=path, is_ours=True), workspace)
    else:
        yield file


def _members(file: Member, workspace: Path) -> Iterator[Member]:
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
            for entry in entries:
                origin = f"{file.origin}/{entry.filename}"
                if entry.flag_bits & _IS_ENCRYPTED:
                    raise DeliveryError(
                        f"{origin}: is protected by a password; have it delivered "
                        "without"
                    )
                with archive.open(entry) as content:
                    path = _copy(content, workspace)
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


def _copy(content: IO[bytes], workspace: Path) -> Path:
    with tempfile.NamedTemporaryFile(dir=workspace, delete=False) as copy:
        shutil.copyfileobj(content, copy, _CHUNK_BYTES)
    return Path(copy.name)
