"""Files on disk: below the company's folder, anywhere, or in an installed package."""

import functools
import importlib.util
import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from kith.company.tables import SourceTable
from kith.errors import (
    ClosedDeliveryError,
    ConfigurationError,
    DeliveryError,
    TransientError,
)
from kith.pull.connectors.request import FetchRequest

_ASK = "have the right to read given, by the owner or the machine's administrator"


def list_disk(request: FetchRequest, pattern: str) -> dict[str, Callable[[], Path]]:
    """The files that match, each with what checks that it can be read.

    Raises ClosedDeliveryError when a folder is closed to us, and ConfigurationError
    when the package is not installed.
    """
    table, root, inside, prefix = request.table, request.company_folder, pattern, ""
    if pattern.startswith("package://"):
        package, _, inside = pattern.removeprefix("package://").partition("/")
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ConfigurationError(
                f"sources.yml: {table.full_name}: path {pattern}: the Python package "
                f"'{package}' is not installed; name it in "
                f"{request.company_folder / 'requirements.txt'} and install that file"
            )
        root, prefix = Path(spec.submodule_search_locations[0]), f"package://{package}/"
    elif pattern.startswith("/"):
        root, inside, prefix = Path("/"), pattern.lstrip("/"), "/"
    _check_folders(table, root, inside)
    return {
        name: functools.partial(_open, f"{table.full_name}: {name}", path)
        for path in root.glob(inside)
        if _may_be_file(path)
        for name in [f"{prefix}{path.relative_to(root)}"]
    }


def _check_folders(table: SourceTable, root: Path, pattern: str) -> None:
    """Raise ClosedDeliveryError for a closed folder, which glob would pass over."""
    parts = PurePosixPath(pattern).parts
    for number, part in enumerate(parts):
        # One name is found in a folder that may not be listed, too.
        needed = os.X_OK | (os.R_OK if re.search(r"[*?[]", part) else 0)
        above = "/".join(parts[:number])
        for folder in root.glob(above) if above else [root]:
            if folder.is_dir() and not os.access(folder, needed):
                raise ClosedDeliveryError(
                    f"{table.full_name}: {folder}: the folder cannot be looked into, "
                    f"permission denied; {_ASK}, or narrow `path` in sources.yml"
                )


def _may_be_file(path: Path) -> bool:
    try:
        return path.is_file() or (path.is_symlink() and not path.exists())
    except PermissionError:
        return True


def _open(where: str, path: Path) -> Path:
    """The path of a file, once it is known that it can be read."""
    try:
        path.open("rb").close()
    except PermissionError:
        raise ClosedDeliveryError(
            f"{where}: the file cannot be read, permission denied; {_ASK}"
        ) from None
    except OSError:
        if path.is_symlink():
            raise DeliveryError(
                f"{where}: is a link to {path.readlink()}, where nothing can be read; "
                "have the file delivered there, or remove the link"
            ) from None
        raise TransientError(
            f"{where}: was listed, but cannot be opened; pull again when its delivery "
            "is over"
        ) from None
    return path
