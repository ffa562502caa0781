"""Where the files of a table lie: `path` of `sources.yml`, on disk or in a store.

`path` is relative to the company's folder, absolute, `package://<import name>/<path>`
for data that an installed Python package carries, or the address of an object store
that fsspec knows (`s3://bucket/…`). It may hold wildcards, `${NAME}` for a variable of
the environment, and `{date:%Y-%m-%d}` (any strptime format that names a day) for the
day of delivery in names of files or folders.
"""

import datetime as dt
import functools
import glob
import importlib.util
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kith.company.tables import SourceTable
from kith.errors import ConfigurationError, DeliveryError, TransientError
from kith.pull.connectors.request import FetchRequest
from kith.settings import environment_variable

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_DATE = re.compile(r"\{date(?::([^{}]*))?\}")
_WILDCARD = re.compile(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])")
_ASK = "have the right to read given, by the owner or the machine's administrator"
# As short as can be, so that a wildcard before a date leaves it all its digits.
_WILDCARDS = {"**/": "(?:.*/)?", "**": ".*?", "*": "[^/]*?", "?": "[^/]"}
_DIRECTIVES = {
    **dict.fromkeys("YG", r"\d{4}"),
    **dict.fromkeys("ymdHIMSUWV", r"\d{1,2}"),
    **dict.fromkeys("uw", r"\d"),
    **dict.fromkeys("bBaAp", r"[^\W\d_]+"),
    **{"j": r"\d{1,3}", "f": r"\d{1,6}", "z": r"(?:Z|[+-]\d\d:?\d\d)", "%": "%"},
}


@dataclass(frozen=True)
class Place:
    """A delivered file.

    Attributes:
        origin: Its name as people know it.
        arrival_day: Day of delivery that its path tells, if any.
        bring: Makes sure that it lies on this machine; returns where.
    """

    origin: str
    arrival_day: dt.date | None
    bring: Callable[[], Path]


@dataclass(frozen=True)
class Listed:
    """A file that matches a pattern, by the part of its path that the pattern tells."""

    path: str
    origin: str
    bring: Callable[[], Path]


def find_places(request: FetchRequest) -> list[Place]:
    """The files to be read for the request's window, in the order of their paths.

    Of a dated path these are, for a table with a cursor, the files of the window, of
    the day before, which may have been cut at another midnight than the company's, and
    of the look-back after it, in which rows of its last days can still arrive; for a
    snapshot the newest ones. Empty when files match, but none of these days.

    Raises DeliveryError when nothing matches, or a file's date cannot be read.
    """
    table = request.table
    declared = table.rules.path or ""
    pattern = _DatedPattern(table, _with_variables(table, declared))
    parts = pattern.wildcards.split("/")
    if parts in ([""], ["."]) or any("**" in part and part != "**" for part in parts):
        raise ConfigurationError(
            f"sources.yml: {table.full_name}: path: found '{declared}'; expected where "
            "files lie; ** stands for folders at any depth and for no part of a name"
        )
    if "://" in pattern.wildcards and not pattern.wildcards.startswith("package://"):
        from kith.pull.connectors.stores import list_store

        listed, where = list_store(request, pattern.wildcards), pattern.wildcards
    else:
        listed, where = _list_disk(request.company_folder, table, pattern.wildcards)
    if not listed:
        raise DeliveryError(
            f"{table.full_name}: no file at {where}; the delivery is missing, or "
            "`path` in sources.yml is wrong"
        )
    places = [
        Place(each.origin, pattern.date_of(table, each.path, each.origin), each.bring)
        for each in sorted(listed, key=lambda each: each.path)
    ]
    return _of_window(request, places) if pattern.has_date else places


def _with_variables(table: SourceTable, declared: str) -> str:
    def value(found: re.Match[str]) -> str:
        text = environment_variable(found[1])
        if text is None:
            raise ConfigurationError(
                f"sources.yml: {table.full_name}: path {declared}: the environment "
                f"variable {found[1]} is not set; set it where Kith runs"
            )
        return glob.escape(text)

    path = _VARIABLE.sub(value, declared)
    return path if "://" in path else str(PurePosixPath(path))


def _of_window(request: FetchRequest, places: list[Place]) -> list[Place]:
    table, window = request.table, request.window
    days = sorted({place.arrival_day for place in places if place.arrival_day})
    if table.rules.cursor:
        first = window.from_day - dt.timedelta(days=1)
        last = window.to_day + dt.timedelta(days=table.rules.look_back_days)
        chosen = {day for day in days if first <= day <= last}
    else:
        chosen = set([day for day in days if day <= window.to_day][-1:])
        if not chosen:
            raise DeliveryError(
                f"{table.full_name}: no file of {window.to_day} or earlier; the oldest "
                f"is {places[0].origin}; have one delivered, or choose later days"
            )
    return [place for place in places if place.arrival_day in chosen]


class _DatedPattern:
    """A path with wildcards and dates: what lists its files and reads their day.

    `wildcards` is the pattern that lists the files.
    """

    def __init__(self, table: SourceTable, pattern: str) -> None:
        formats = [found[1] or "" for found in _DATE.finditer(pattern)]
        self.has_date = bool(formats)
        self._format = "|".join(formats)
        if formats and not _names_a_day(self._format):
            raise ConfigurationError(
                f"sources.yml: {table.full_name}: path {table.rules.path}: found "
                f"'{_DATE.search(pattern)[0]}'; expected strptime formats that name a "  # type: ignore[index]
                "day, each part once, such as {date:%Y-%m-%d}"
            )
        # What stands in a date's place is listed whatever it is, so that a file whose
        # date is misspelt is not passed over.
        held = _DATE.sub(lambda found: re.sub("[^/]+", "\0", found[1]), pattern)
        # One star beside another would mean folders at any depth.
        self.wildcards = re.sub(r"\*?\0\*?", "*", held)
        parts = _DATE.split(pattern)
        texts = [_regex_of_wildcards(text) for text in parts[0::2]]
        dates = [f"({_regex_of_format(text)})" for text in parts[1::2]]
        self._regex = re.compile(
            "".join(text + date for text, date in zip(texts, [*dates, ""], strict=True))
        )

    def date_of(self, table: SourceTable, path: str, origin: str) -> dt.date | None:
        """Day in a path that the wildcards matched; None for a pattern without."""
        if not self.has_date:
            return None
        found = self._regex.fullmatch(path)
        try:
            text = "|".join(found.groups()) if found else ""
            return dt.datetime.strptime(text, self._format).date()
        except ValueError:
            raise DeliveryError(
                f"{table.full_name}: {origin}: no date can be read from the name; "
                f"expected {table.rules.path}; have the file renamed, or narrow `path` "
                "in sources.yml"
            ) from None


def _names_a_day(date_format: str) -> bool:
    probe = dt.datetime(2023, 11, 29, tzinfo=dt.UTC)
    directives = re.findall("%(.)", date_format)
    if not set(directives) <= set(_DIRECTIVES):
        return False
    try:
        read = dt.datetime.strptime(probe.strftime(date_format), date_format)
    except (ValueError, re.error):
        return False
    return read.date() == probe.date()


def _regex_of_format(date_format: str) -> str:
    return "".join(
        _DIRECTIVES[part[1]] if part.startswith("%") else re.escape(part)
        for part in re.split("(%.)", date_format)
    )


def _regex_of_wildcards(text: str) -> str:
    def regex(part: str) -> str:
        if part.startswith("[") and part.endswith("]"):
            inner = part[1:-1].replace("\\", r"\\").replace("[", r"\[")
            return f"[{'^' + inner[1:] if inner.startswith('!') else inner}]"
        return _WILDCARDS.get(part) or re.escape(part)

    return "".join(map(regex, _WILDCARD.split(text)))


def _list_disk(
    company_folder: Path, table: SourceTable, pattern: str
) -> tuple[list[Listed], str]:
    """The files that match, and what was looked for."""
    if pattern.startswith("package://"):
        package, _, inside = pattern.removeprefix("package://").partition("/")
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ConfigurationError(
                f"sources.yml: {table.full_name}: path {pattern}: the Python package "
                f"'{package}' is not installed; name it in "
                f"{company_folder / 'requirements.txt'} and install that file"
            )
        base, prefix = Path(spec.submodule_search_locations[0]), f"package://{package}/"
    else:
        base, inside, prefix = company_folder, pattern, ""
    root = Path(Path(inside).anchor) if Path(inside).is_absolute() else base
    inside = inside.lstrip("/") if root != base else inside
    _check_folders(table, root, inside)
    listed = []
    for path in root.glob(inside):
        if _may_be_file(path):
            is_below = path.is_relative_to(base)
            name = prefix + str(path.relative_to(base)) if is_below else str(path)
            listed.append(
                Listed(
                    str(path) if root != base else name,
                    name,
                    functools.partial(_open, f"{table.full_name}: {name}", path),
                )
            )
    return listed, str(root / inside)


def _check_folders(table: SourceTable, root: Path, pattern: str) -> None:
    """Raise DeliveryError where a folder is closed to us: glob would pass it over."""
    parts = PurePosixPath(pattern).parts
    for number, part in enumerate(parts):
        # One name is found in a folder that may not be listed, too.
        needed = os.X_OK | (os.R_OK if _WILDCARD.search(part) else 0)
        above = "/".join(parts[:number])
        for folder in root.glob(above) if above else [root]:
            if folder.is_dir() and not os.access(folder, needed):
                raise DeliveryError(
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
        raise DeliveryError(
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
